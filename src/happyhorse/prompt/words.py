# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""The words by which the reader recognises things, as data: one table for each question, all seven languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from happyhorse.prompt.lexicon import Part

PARTS: tuple[Part, ...] = get_args(Part)

# Names that a labelled block may carry ("Subject:", "【音频】", "**Camera**"), lower case.
_LABELS_OF: dict[Part, str] = {
    "subject": "subject|subjects|main subject|character|characters|main character|who|person|people|talent|product|products|主体|主角|人物|主题|角色|人物设定|角色设定|主体描述|主題|主體|被写体|登場人物|キャラクター|主人公|被写体・人物|주제|주체|피사체|인물|등장인물|캐릭터|주인공|motiv|subjekt|figur|figuren|person|personen|hauptfigur|sujet|personnage|personnages|protagoniste",
    "action": "action|actions|motion|movement|performance|what happens|动作|运动|表演|行为|剧情|情节|動作|動作設計|行動|行為|アクション|動き|演技|동작|행동|액션|움직임|연기|handlung|aktion|bewegung|geschehen|mouvement|mouvements|gestes|geste|déroulement",
    "environment": "environment|scene|setting|background|location|place|where|time|time of day|weather|场景|环境|背景|地点|时间|场景设定|環境|場景|地點|時間|場所|シーン|舞台|ロケーション|時間帯|환경|배경|장소|시간|장면|umgebung|ort|hintergrund|szene|schauplatz|tageszeit|environnement|décor|lieu|arrière-plan|scène|cadre",
    "style": "style|look|visual style|visuals|aesthetic|aesthetics|lighting|light|mood|atmosphere|tone|color|colour|colors|colours|color palette|colour palette|art style|风格|画面|灯光|光线|光影|氛围|色调|画风|画面风格|视觉风格|風格|燈光|氛圍|光線|色調|スタイル|照明|雰囲気|画風|色|ライティング|トーン|스타일|조명|분위기|색감|화풍|톤|stil|licht|beleuchtung|stimmung|look|farben|atmosphäre|lumière|éclairage|ambiance|ambiance visuelle|couleurs|rendu|atmosphère",
    "camera": "camera|camera movement|camera motion|camera work|camera angle|shot|shots|shot type|framing|angle|cinematography|lens|镜头|运镜|镜头运动|镜头语言|摄像机|摄影|机位|景别|鏡頭|運鏡|鏡位|攝影|カメラ|カメラワーク|撮影|ショット|アングル|構図|카메라|카메라워크|카메라 움직임|촬영|앵글|샷|구도|kamera|kamerabewegung|kameraführung|einstellung|bildausschnitt|perspektive|caméra|cadrage|mouvement de caméra|mouvements de caméra|prise de vue|plan|plans",
    "audio": "audio|sound|sounds|sound effects|sound design|sfx|foley|dialogue|dialog|speech|voice|voiceover|voice-over|music|background music|bgm|ambience|ambient sound|soundtrack|音频|声音|音效|台词|对白|音乐|配乐|旁白|背景音乐|音頻|聲音|台詞|對白|音樂|音声|音|音響|音楽|サウンド|効果音|オーディオ|セリフ|環境音|오디오|소리|사운드|음향|음성|음악|대사|효과음|ton|klang|klänge|sound|musik|sprache|dialog|geräusche|son|sons|bruitage|musique|dialogue|voix|bande-son|ambiance sonore",
}
LABELS: Mapping[str, Part] = {
    label: part for part, labels in _LABELS_OF.items() for label in labels.split("|")
}

# An instruction to change a clip: at the start of a prompt, or anywhere in a language that puts it last.
EDITS = (
    r"^\s{0,9}(?:please\s)?(?:replace|swap|substitute|recolou?r|remove|erase|convert|transform the|change (?:the|her|his|their|it)|turn the|extend the video|make the lighting|"
    r"ersetze?|tausche?|ändere?|entferne?|verwandle|mache? (?:das|den|die)|wechsle|remplacer?|remplacez|changer? (?:le|la|les|l')|changez|supprime[rz]?|transforme[rz]? (?:le|la|les|l')|enlève[rz]?|modifie[rz]?)\b"
    r"|\badd [^.\n]{0,60}\b(?:to|in) the (?:video|clip|footage)\b|\b(?:in|from) the (?:source |original )?(?:video|clip|footage)\b"
    r"|替换|替換|换成|換成|改成|改为|改為|换为|去掉|移除|删除|延长视频|置き換え|差し替え|に変えて|に変更|消して|取り除|바꾸|바꿔|교체|변경|없애|제거|영상을 \d{1,2}초 연장"
)

# "Looks into the camera": delivery, not camera work.
TO_CAMERA = r"(?:to|into|at|toward|towards|facing) (?:the )?(?:camera|lens)|direct(?:ly)? to camera|in die kamera|zur kamera|(?:à|vers|face à|devant) la caméra|face caméra|[对對同向朝面住看望](?:着|住)?(?:镜头|鏡頭)|カメラ(?:に向|目線|を見|に話)|正面を向|正面を見|카메라를 (?:보|향|바라)|카메라에 대고"

# A quotation that follows or precedes one of these is said ...
SPEECH_CUES = r"(?:to (?:the )?camera|talking head|message|voice)[^.!?\n]{0,20}with the words|telling (?:us|them|me|you|everyone)|say(?:s|ing)?|said|speak(?:s|ing)?|ask(?:s|ing|ed)?|repl(?:y|ies|ied)|answer(?:s|ed|ing)?|whisper(?:s|ing|ed)?|shout(?:s|ing|ed)?|yell(?:s|ing)?|scream(?:s|ing)?|sing(?:s|ing)?|announc(?:e|es|ing)|declar(?:e|es|ing)|mutter(?:s|ing)?|exclaim(?:s|ing)?|respond(?:s|ing)?|voice(?:-?over)?|narrat\w+|dialogue|line|lines|conversational|tells?|calls? out|说|道|问|回|答|喊|唱|语气|台词|低声|轻声|独白|腔调|男声|女声|沙哑|旁白|宣布|說|話|問|講|講|叫|喊|話佢|答|言う|言い|言った|話す|語る|尋ね|答え|一言|歌う|叫ぶ|つぶやく|台詞|セリフ|말하|말한|말했|외쳤|물었|묻|대답|외치|외친|속삭|노래|대사|주문|sagt|sagte|fragt|ruft|rief|meint|erzählt|murmelt|flüstert|antwortet|singt|spricht|stimme|dit|disent|lance|annonce|demande|répond|crie|murmure|chante|voix|réplique"

# ... and one next to these is written in the picture, a title or a name.
TEXT_CUES = r"text|texts|sign|signs|logo|label|labels|labell?ed|titled?|captions?|subtitles?|reads|reading|written|words?|letters?|lettering|called|named|brand|style|effect|look|typed|poster|banner|字样|字幕|文字|标题|写着|名为|招牌|字樣|寫著|標題|杀招|と書か|看板|ロゴ|텍스트|로고|글자|문구|간판|schriftzug|aufschrift|titel|schild|texte|titre|enseigne|inscription"

CANTONESE = frozenset("嘅咗唔喺哋啲佢冇嚟嗰咁乜嘢睇攞畀俾咩喎嘞嗎噉呢係")
CANTONESE_ONLY = r"[嘅咗唔喺哋啲佢冇嚟嗰咁嘢攞咩喎嘞噉㗎]|喇(?!叭|嘛)|而家|跟住|朝早|混埋|一齊|邊個|邊度|點解|琴日|聽日|尋日|後生|返工|係咪|唔該|多謝晒"

_COMMON = {
    "en": (
        "the a an and or but of to in on at with for from by as is are was were be it its this that these those he she they we you i "
        "his her their our my your not no so then than into out up down over through while who which what when where there here all "
        "one two three very just let lets do does did has have had will can would could should about after before between both him "
        "them me us if"
    ),
    "de": (
        "der die das den dem des ein eine einen einem einer eines und oder aber von zu im in am auf mit für aus bei als ist sind war "
        "es er sie wir ihr ich du nicht kein keine so dann dass wie was wer wo hier dort alle sich auch nach vor über unter durch "
        "meine mein dein seine ihre unser hat haben wird werden kann noch schon sehr heute guten morgen"
    ),
    "fr": (
        "le la les un une des du de d l et ou mais à au aux en dans sur avec pour par comme est sont était il elle ils elles nous vous "
        "je tu ne pas plus ce cette ces cet qui que quoi où ici là tout tous se son sa ses mon ma mes ton notre votre leur bonjour "
        "bien très alors c j n s m t qu y a"
    ),
}
STOP_WORDS: Mapping[str, frozenset[str]] = {code: frozenset(text.split()) for code, text in _COMMON.items()}

_FILM = (
    "add adds based content create creates created creating detail details different effect effects entire exact final generate "
    "generated instant internal key moment moments multiple native original overall perfect position quick real sense sequence "
    "sequences special start starts starting sudden total visible visual visuals"
)
NAMING_NOTHING = frozenset(_FILM.split())
"""Of the film and its making, of how much and when: nobody expects to see them drawn."""

_WHAT = (
    "assembly belly bully butterfly daily dragonfly family firefly friendly ghostly housefly jelly july lily lonely lovely "
    "melancholy monopoly reply trolley ugly"
)
NO_ADVERBS = frozenset(_WHAT.split())
"""Words in -ly that say what, not how."""

DECORATIVE = r"stunning(?:ly)?|breathtaking|professional(?:ly)?(?! (?:archery|tennis|football|boxing|indoor|kitchen))|8k|4k|uhd|hyper-?realistic|ultra-?realistic|ultra-?detailed|masterpiece|award-winning|epic|amazing|incredible|gorgeous|high[- ]quality|highest quality|best quality|beautiful(?:ly)?|perfect(?:ly)? (?:lit|composed)|超高画质|超清|高质量|8k ?分辨率|震撼|唯美|绝美|精美|高品質|最高品質|息をのむ|圧倒的な|美しい|놀라운|숨막히는|최고 ?화질|고화질|atemberaubend\w*|wunderschön\w*|professionell\w*|hochwertig\w*|époustouflant\w*|sublime|magnifique\w*|professionnel\w*|haute qualité"

TIMES_OF_DAY = r"morning|dawn|sunrise|noon|midday|afternoon|daylight|day(?:time)?|evening|dusk|sunset|golden[- ]hour|blue[- ]hour|twilight|night|midnight|tonight|moon(?:light|lit)?|sun|sunlit|sunlight|sunny|sunbeams?|stars|starry|aurora|studio|stage|indoors?|inside|underwater|space|spacewalk|cave|office|kitchen|bedroom|lab|laboratory|classroom|cellar|workshop|subway|theat(?:er|re)|gym|candle\w*|neon|lamp\w*|fireplace|清晨|早晨|朝早|黎明|白天|中午|午后|下午|傍晚|黄昏|黃昏|夜|日落|月光|星空|阳光|陽光|日光|舞台|室内|室內|屋内|店|书房|教室|灯|燈|烛|霓虹|海底|太空|极光|朝|昼|夕|晩|室内|屋台|スタジオ|ネオン|아침|낮|저녁|밤|새벽|자정|햇살|달빛|노을|실내|스튜디오|조명|네온|morgen\w*|mittag\w*|nachmittag|abend\w*|nacht\w*|mitternacht|tag|sonn\w+|[a-zäöü]{0,16}(?:werkstatt|saal)|küche|mond\w*|matin|midi|soir\w*|nuit|minuit|jour|aube|soleil|crépuscule|atelier|cuisine|studio|lune|néons?|intérieur"

NEGATIONS = r"(?<![^\W_])(?:no(?! longer| one| matter)|without|avoid|avoiding|do not|don['’]t|never|none of|not an?|ohne|kein|keine|keinen|keinem|keiner|sans|aucune?|pas de)\s+[^\W\d_][\w-]*|(?:不要|不准|严禁|禁止|避免|不得|没有任何|无(?=字幕|文字|水印|剪切|logo)|唔好)[^\s，。；、,.]{1,6}|[\w一-龯ァ-ヶ]{1,6}(?:なしで|を避け|しないで)|\w{1,8} 없이"

RENDERED_TEXT = r"(?:,|\b(?:with|adds?|show(?:s|ing)?|bold|white|big|large|and|an?|the)) (?:\w+ )?(?:captions?|subtitles?|title card|on-screen text|text overlay|lettering|logo)\b|\b(?:sign|banner|poster|text|caption|label|screen|title|board) (?:that |which )?(?:reads?|reading|says)\b|(?:加|加上|显示|出现|带|有|印着|生成)(?:中文|英文)?(?:字幕|标题文字|文字|logo)|字样|写着|寫住|寫著|(?:字幕|テロップ|ロゴ|タイトル)(?:を(?:入れ|表示|付け)|が(?:出|表示))|と書かれ|(?:자막|텍스트|로고|글자)[를을이가]? ?(?:넣|나타|표시|추가|보이|쓰)|라고 (?:쓰|적힌)|\b(?:mit|zeigt|der|dem|den) (?:schriftzug|aufschrift|untertiteln?|logo)\b|\b(?:avec|affiche) (?:des |un |le )?(?:sous-titres?|texte|titre|logo)\b"

# Someone is told to speak with moving lips, or to be heard unseen.
DELIVERY = r"speak(?:s|ing)|talk(?:s|ing)|delivers?|lip[- ]?sync\w*|lip movements?|lips move|to camera|into the camera|voice-?overs?|off-screen|narrat\w*|mouth|sing(?:s|ing)|announces?|口型|嘴型|对(?:着)?镜头|對(?:住)?鏡頭|同鏡頭|望住鏡頭|说话|說話|講嘢|开口|開口|旁白|画外音|唱|カメラに向|カメラを見|正面を(?:向|見)|話す|話し|歌う|歌い|ナレーション|口の動き|リップシンク|카메라를 (?:보|향)|말하며|말한다|말하듯|노래|입 ?모양|립싱크|내레이션|나레이션|마이크|in die kamera|zur kamera|spricht|sprechen|singt|erzähl\w*|lippen\w*|off-stimme|à la caméra|face caméra|parle|parlent|chante|lèvres|voix off|micro"

FAST_ACTION = r"\b(?:run(?:s|ning)?|sprint\w*|jump(?:s|ing)?|leap\w*|danc(?:es?|ing)|fight\w*|spin(?:s|ning)?|twirl\w*|chas(?:es?|ing)|gallop\w*|dash(?:es|ing)|rennt|springt|tanzt|kämpft|court|saute|danse)\b|飞奔|狂奔|奔跑|跳舞|打斗|旋转|俯冲|走り回|駆け|踊[るり]|달리|뛰|춤"
WARDROBE = r"\b(?:(?:long|flowing|loose|silk|layered) (?:dress|gown|coat|robes?|skirt|hair)|dress|gown|cape|cloak|scarf|robes?|skirt|necktie|jewel\w*|earrings?|necklace|kleid|mantel|schal|umhang|robe|écharpe|cape|jupe)\b|长裙|长袍|披风|围巾|纱衣|耳环|项链|ドレス|マント|スカーフ|イヤリング|드레스|망토|스카프|귀걸이"

PEOPLE = r"\b(?:man|woman|boy|girl|anchor|presenter|chef|baker|cyclist|singer|dancer|knight|astronaut|farmer|scientist|child|kid|actor|rider|surfer|detective|teacher|doctor|nurse|pilot|barista|king|queen|robot|dog|cat|horse|bear|fox|owl|rabbit|postman|driver|waiter|waitress|customer|fisherman|gardener|grandmother|grandfather|soldier|swordswoman|assassin|mann|frau|junge|mädchen|bäcker(?:in)?|hund|katze|homme|femme|garçon|fille|chien|chat|cuisinier)\b|男人|女人|男子|女子|男孩|女孩|老人|少年|少女|厨师|猫|狗|男性|女性|犬|남자|여자|소년|소녀|할머니|할아버지|고양이|강아지"
COUNTED = r"\b(?:three|four|five|six|seven|eight|nine|drei|vier|fünf|sechs|trois|quatre|cinq|six) (?:[\w-]+ ){0,3}?(?:men|women|boys|girls|people|persons|friends|children|kids|hikers|dancers|singers|soldiers|robots|dogs|cats|horses|rabbits|workers|students|chefs|players|musicians|männer|frauen|kinder|freunde|hunde|katzen|hommes|femmes|enfants|amis|chiens|chats)\b|[三四五六七八九3-9](?:个|名|位|只|隻|個)(?:[\u4e00-\u9fff]{0,12}?)(?:人|男|女|孩|兔子|猫|狗|士兵|演员|朋友)|[三四五六七八九3-9](?:人|匹)の|(?:세|네|다섯|여섯) (?:명|마리)"

# One who can act: a person, an animal, a robot, a vehicle, or the name of a reference ("\ufffc" stands for a quotation).
ANIMATE = (
    r"\b(?:\w*(?:man|men|boy|girl)|[a-z]+(?:er|or|ist|eur|euse|in)|cook|knight|astronaut|child|children|kid|pilot|barista|king|queen|robot|dog|puppy|"
    r"cat|kitten|horse|bear|fox|owl|rabbit|people|person|crowd|audience|couple|family|friend|student|athlete|mage|wizard|guard|host|bird|fish|mouse|mice|"
    r"elephant|giraffe|lion|monkey|dragon|tourist|resident|monk|guest|team|squad|everyone|someone|baby|one|two|mann|frau|kind|kinder|junge|mädchen|leute|"
    r"menschen|hund|katze|pferd|vogel|koch|arzt|gast|gäste|paar|homme|femme|fille|garçon|enfant|gens|chef|chien|chat|cheval|oiseau|habitant|passant|couple|"
    r"client|roi|reine|ours|renard|car|truck|train|bus|tram|boat|ship|plane|auto|zug|straßenbahn|boot|schiff|tramway|voiture|bateau)s?\b|@|\[|\ufffc|image|character"
    r"|[一二三两兩几幾][位名只隻個个匹群对對]|[民夫匠农農侠俠僧尼童娃妹哥弟姐姨叔伯姑仔佬婴嬰鼠猬鹅鸡鸭鹤鹰象狮豹狼]|[人者员員师師们們客兵孩婆妈爸爷奶王士猫狗鸟鳥鱼魚马馬熊虎龙龍兔羊牛猴狐鹿犬她他佢俩倆女男]|子$|图|圖"
    r"|ロボット|ネコ|イヌ|さん|たち|ちゃん|くん|店主"
    r"|사람|아이|남자|여자|소년|소녀|할머니|할아버지|고양이|강아지|로봇|[가-힣]들|[명분]$|사[가는]$|자[가는]$"
)

# One thing after another.
THEN = r"\b(?:and then|then|after that|afterwards|finally|dann|danach|anschließend|schließlich|puis|ensuite|enfin)\b|然后|接着|接著|随后|跟住|之后|最后再|再(?=抬|转|走|拿|放)|それから|次に|そして|最後に|그리고 나서|그다음|그런 다음|이어서|(?<=\s)>(?=\s)|→"

# A persona or a story goes on from another clip.
SERIES = r"\bsame (?:persona|person|character|woman|man|girl|boy|presenter|host)\b|\b(?:as|from) (?:in )?the (?:previous|last) (?:clip|shot|scene|episode)\b|\bepisode \d|\bpart \d+ of\b|\bcontinu(?:es|ing|ed) from\b|延续上段|接上[段集]|同一(?:个)?(?:人物|角色|人|主角)|同じ(?:人物|キャラクター)|前回の続き|같은 (?:인물|사람|캐릭터)|dieselbe (?:person|figur|frau)|derselbe mann|(?:la|le) même (?:personne|personnage|femme|homme)"
INVARIANTS = r"\bsame (?:[\w-]+ ){0,2}?(?:face|hair|outfit|clothes|look)|\bidentical (?:appearance|face|look)|face (?:and outfit )?consist\w+|(?:面容|脸|发型|服饰|形象|外貌|样貌)[^。，]{0,12}(?:一致|不变|相同)|同じ顔|同じ髪|같은 (?:얼굴|머리)|dasselbe gesicht|gleiches gesicht|même visage|mêmes cheveux"

# Deeds of one subject, as they follow each other in prose.
DEEDS = r"opens|closes|walks|runs|sits|stands|looks|picks|takes|puts|turns|pours|drinks|eats|jumps|grabs|throws|enters|leaves|steps|lifts|raises|holds|smiles|laughs|waves|nods|pulls|pushes|slides|sips|reads|writes|kneels|leans|climbs|drops|catches|spins|bows|points|gets|goes|starts|stops|places|knocks|panics|reaches|unlocks|locks|wipes|cuts|stirs|tastes|serves|hands|dances|sings|rises|falls|dives|swims|flips|kicks|punches|öffnet|schließt|geht|läuft|setzt|steht|schaut|nimmt|legt|dreht|gießt|trinkt|isst|springt|greift|wirft|lächelt|lacht|winkt|nickt|zieht|schiebt|liest|ouvre|ferme|marche|court|s'assied|regarde|prend|pose|tourne|verse|boit|mange|saute|attrape|lance|sourit|salue|tire|pousse|lit"

BACKGROUND = r"^\W{0,3}(?:and )?(?:in|im|à|dans) ?(?:the |l')?(?:background|foreground|distance|hintergrund|arrière-plan|fond)|背景|远处|遠處|奥で|배경에"
# A place and what there is in it.
EXISTS = r"(?:開催され(?:ます|る|ている)?|あふれ(?:ています|ている|る)?|溢れ(?:ている|る)?|広が(?:る|り|っている)|並(?:ぶ|んでいる)|あります|がある|見え(?:る|ます)|漂(?:う|っている)|降(?:る|り|っている)|舞い上がります|積もって(?:いる)?|差し込(?:む|み))$|(?:열린다|있다|있습니다|펼쳐진다|펼쳐집니다|내린다|내립니다|넘칩니다|넘친다|가득하다|가득합니다|보인다|피어오릅니다|피어오른다|비친다|쌓여 있다)$"

# Camera work named anywhere, also under another label.
CAMERA = r"\b(?:camera|close-?ups?|(?:wide|medium|tracking|full|long|drone|aerial|pov|macro) shot|pans?|panning|tilts?|zooms?|dolly|push-in|crane)\b|镜头|鏡頭|运镜|運鏡|特写|特寫|机位|機位|カメラ|クローズアップ|카메라|클로즈업|kamera\w*|nahaufnahme|caméra|gros plan|travelling"

# What an edit leaves as it is.
KEEP = r"\b(?:keep|keeping|maintain|maintaining|retain|preserve|leave|unchanged|behalte|lass|garde|gardez|conserve)\b|保持|保留|不变|不變|そのまま|維持|유지|그대로"
