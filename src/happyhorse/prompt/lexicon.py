"""Which words speak of which part of a prompt, as data: one table for each part, one row for each language.

`prompt_parts.py` looks up words in these; Latin words in lower case, in the singular or in the base form, with or without a hyphen;
Chinese and Japanese by the longest entry that fits; Korean without particles. "strong" words decide a clause, "weak" ones add to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

Part = Literal["subject", "action", "environment", "style", "camera", "audio"]

_CAMERA_STRONG = {
    "en": "camera|full body shot|full-body|cut to|cuts to|switches to|close-up|closeup|close up|macro|wide shot|medium shot|full shot|long shot|tracking shot|two-shot|wide-angle|wide angle|push-in|push in|pull-out|pull out|pull back|dolly|zoom|zooms|zooming|pan|pans|panning|tilt|tilts|orbit|orbits|orbiting|steadicam|stedicam|handheld|hand-held|locked-off|drone shot|low angle|high angle|low-angle|high-angle|overhead view|overhead shot|bird's-eye|viewpoint|pov|first-person|one-shot|one-take|single take|crane up|crane down|time-lapse|timelapse|tracking|eye level|over-the-shoulder|framing|aerial|perspective|slow-motion shot|dolly-in|rack focus|whip pan|arc shot|establishing shot",
    "zh": "镜头|运镜|机位|特写|推近|推进|拉远|拉开|跟拍|俯拍|仰拍|航拍|横移|横摇|环绕|一镜到底|中景|近景|远景|全景|中近景|中远景|广角|过肩|越肩|俯视|仰视|固定机位|手持|长镜头|第一视角|主观视角|视角|延时摄影|摄像机|摄影机|变焦|鏡頭|機位|特寫|推近|拉遠|手持中景|近鏡|遠景|航拍|低角度|高角度|俯視|跟拍|定鏡",
    "ja": "カメラ|クローズアップ|ズーム|ズームイン|ドリー|ドリーイン|パン|ティルト|ローアングル|ハイアングル|俯瞰|ミディアムショット|ロングショット|ワイドショット|バストアップ|ショット|手持ちカメラ|固定カメラ|ワンカット|長回し|ドローンショット|ドローン撮影|空撮|追従|画角|引き|構図|アップ",
    "ko": "카메라|클로즈업|줌인|줌아웃|패닝|드론 샷|드론샷|드론 와이드|드론 촬영|항공 샷|샷|앵글|원테이크|롱테이크|각도|트래킹|추적|푸시인|와이드|시점|렌즈|카메라워크|틸트|풀샷|부감",
    "de": "kamera|nahaufnahme|totale|halbtotale|halbnahe|halbnah|großaufnahme|einstellung|kamerafahrt|kameraschwenk|schwenk|zoom|vogelperspektive|froschperspektive|zeitlupe|zeitraffer|handkamera|weitwinkel|untersicht|aufsicht|perspektive|steadicam|drohnenflug|drohnenaufnahme|standkamera|helmperspektive",
    "fr": "caméra|gros plan|gros-plan|plan moyen|plan large|plan fixe|plan serré|plan-séquence|plan séquence|plan américain|travelling|panoramique|zoom|plongée|contre-plongée|cadrage|ralenti|vue de drone|plan drone|objectif|vue subjective|vue plongeante|perspective|steadicam|recadrage",
}
_CAMERA_WEAK = {
    "en": "shot|angle|static|lens|view|footage|mm|focus|frame|track|crane|cut|eye-level|zoom-in|low|medium|wide|slow-motion|dashboard",
    "zh": "切换|构图|拉近|跟随|固定|慢动作|镜|画面外|低机位|推|轉|分镜|转场",
    "ja": "固定|寄る|引く|追う|ゆっくりズーム|視点|正面から",
    "ko": "고정|측면|근접|뷰|따라간다|전환|드론|다가간다",
    "de": "langsam|statisch|blick|schwenkt|folgt|nah|weit|fokus|fahrt",
    "fr": "plan|fixe|latéral|vue|lent|suivi|angle|face",
}
_AUDIO_STRONG = {
    "en": "audio|sound|sounds|noise|voice|voices|voiceover|voice-over|music|musical|ambience|soundtrack|dialogue|lip-sync|roar|hum|humming|rustle|rustling|melody|song|whisper|whispers|silence|birdsong|squeak|squeaks|creak|clatter|thunder|gunfire|cheer|cheering|chatter|giggle|laughter|percussion|drum|drums|violin|piano music|orchestral|lo-fi|hiss|hissing|crackle|crackles|crackling|whistling|boom|booms|chime|chimes|narration|narrator|horn|siren|ringing|tick|ticking|thud|splash|bark|barking|meow|purr|purring|jingle|buzz|buzzing|gasp|applause|echo|echoes|footstep|footsteps|engine idles|strings play|says|said|saying|crunch|crunching|squeaking|clink|clinking|murmur|murmurs|whir|whirr|clop|patter|whoosh|swoosh|creaking|chugging|gurgle|gurgling|lapping|howl|howling|rumble|rumbling|clock strikes|bell|bells|accompaniment|gulls|whooshing|screaming",
    "zh": "叫声|爵士乐|爵士樂|虫鸣|钢琴曲|声|声音|声响|声效|音效|音乐|音樂|音频|配乐|旁白|台词|背景音|环境音|轰鸣|巨响|喊叫|笑声|歌声|女声|男声|乐声|脚步声|口音|语气|腔调|嘅聲|聲|聲音|人聲|叫賣聲|水聲|鸟鸣|蝉鸣|蟬鳴|雨声|雷声|锣鼓|鼓点|哼唱|口型|低语|嗡鸣|风啸",
    "ja": "音|音声|音楽|声|効果音|環境音|さえずり|せせらぎ|歌声|雨音|足音|ラッパ|鳴る|鳴って|鳴き声|響く|響き|銃声|鐘|BGM|ピアノ曲|静寂|ざわめき|拍手|笑い声|言う|言った|叫ぶ",
    "ko": "소리|음악|목소리|음향|효과음|빗소리|바람 소리|노래|배경음|대사|웃음소리|발소리|사투리|피아노|재즈|대화|나레이션|내레이션|새소리|파도소리|종소리",
    "de": "geräusch|geräusche|musik|klang|klänge|stimme|stimmen|ton|lachen|rauschen|plätschern|summen|hall|hört|vogelgesang|gesang|klingelt|klingeln|läuten|donner|ticken|zwitschern|hupen|schritte|knistern|applaus|sagt|ruft|fragt|flüstert|antwortet|kuckuck|möwen|pfeifen|stille|brummen|gluckern|knirschen|bellen|klappern|jazz|jazzmusik|zirpen|flügelschlagen|glocke|glocken|geläut|klaviermusik|orgel|trommel|trommeln",
    "fr": "bruit|bruits|musique|son|sons|voix|entend|ambiance sonore|rire|rires|clapotis|gronde|murmure|chant|dit|crie|demande|mouettes|grondement|sifflement|tintement|silence|mélodie|tic-tac|cloche|cloches|crépitement|cliquetis|applaudissement|froissement|ronronnement|bruissement|tambour|tambours|résonne|klaxon|jazz|battements|pas résonnent",
}
_AUDIO_WEAK = {
    "en": "jazz|piano|note|cricket|guitar|cello|flute|accordion|synth|bass|beat|choir|clanging|clattering|chirping|pattering|hooting|croaking|clank|buzzing|flapping|crow|gull|bird|distant|loud|muffled|breathing|speak|singing|sings|sing|rhythm|ambient|cry|crowd|drip|dripping|calling|call|calls|tap|taps|exhale|inhale|clap|claps|ring|hooves|splashing|knock|click|clicks|squeals|idle|idles",
    "zh": "吉他|钢琴|蟋蟀|说道|声线|洪亮|低沉|节奏|摩擦|清脆|嘈杂|嘈雜|呼吸|回响|响|响起|鳴|安静",
    "ja": "ジャズ|ピアノ|ギター|虫|鳴り|静か|声で|聞こえる|響|歌う",
    "ko": "말한다|외친다|속삭인다|들린다|들려온다|조용한|잔잔한|울린다|울려",
    "de": "klavier|gitarre|grillen|geige|leise|leises|laut|tropfen|brandung|ferne|singt|klirren",
    "fr": "piano|guitare|grillons|violon|sonore|doucement|lointain|au loin|souffle",
}
_STYLE_STRONG = {
    "en": "style|styled|stylised|stylized|cinematic|lighting|palette|film grain|grain|watercolor|watercolour|anime|animation|cartoon|photorealistic|photoreal|photorealism|realistic|realism|noir|pastel|neon-lit|bokeh|depth of field|color grade|grading|mood|aesthetic|illustration|illustrated|tones|tone mapping|texture|textures|contrast|documentary|monochrome|black and white|painted|storybook|vignette|hyper-realistic|surreal|nostalgic|dreamy|moody|atmospheric|atmosphere|stop-motion|claymation|felt animation|poster colours|3d|cgi|composition|film look|retro|vintage|soft-focus|lens flare|flare|golden light|warm light|soft light|pale light|colour palette|color palette|hand-drawn|effect|effects|gradient|gradients|outlines|dreamland|minimalist|oil painting|sketch|ink drawing|editorial|polished",
    "zh": "风格|風格|画风|质感|質感|光影|色调|色調|电影感|画质|画面|氛围|氛圍|胶片|膠片|菲林|水彩|水墨|手绘|插画|写实|寫實|写真|动画|动漫|漫画|漫畫|剪纸|灯光|燈光|光线|光線|逆光|背光|暖光|冷光|柔光|柔焦|景深|饱和|复古|復古|分辨率|梦幻|梦境|暖色|冷色|蓝绿调|双色|自然光|色彩|真人|聚光灯|压迫感|張力|张力|唯美|细节|霓虹反射|细腻|纯净震撼|柔和光線|柔和光线|怀旧|明暗",
    "ja": "スタイル|画風|セル画風|絵本風|漫画風|アニメ風|水墨画風|和風|水彩|アニメ|セル画|パステル|色調|色合い|質感|照明|被写界深度|シネマティック|シネマ|フィルム|モノクロ|絵本|雰囲気|コントラスト|逆光|木漏れ日|光|トーン|写実|ドキュメンタリー|ロマンチック|映画|タッチ|イラスト|リアル|ノスタルジック|幻想的|上品|都会的|クオリティ|リズム|フロー|気分|温かさ",
    "ko": "스타일|색감|질감|조명|수채화|필름|시네마틱|분위기|느낌|톤|흑백|파스텔|애니메이션|퀄리티|리얼리즘|영화|따뜻함|대비|사실적|포토리얼|다큐멘터리|일러스트|연출|몽환적|리듬|디테일|고요함|빛",
    "de": "look|stil|comicstil|licht|lichtstimmung|beleuchtung|farben|farbe|farbpalette|stimmung|filmisch|filmisches|filmkorn|korn|aquarell|holzschnitt|illustration|zeichentrick|animation|schwarzweiß|schwarz-weiß|kontrast|kinogefühl|kinolook|atmosphäre|fantasie|surreal|realistisch|pastell|pastelltöne|gefühl|erzählung|neonlicht|gegenlicht|linien|tiefenschärfe|schärfentiefe|neonreflexion|optik|ästhetik|textur|fotorealistisch|nebel volumetrisch|volumetrischer",
    "fr": "style|lumière|lumineux|éclairage|couleurs|couleur|ambiance|atmosphère|aquarelle|grain|pellicule|cinématographique|rendu|contraste|pastel|pastels|bande dessinée|dessin animé|traits|noir et blanc|réaliste|sensation|récit|fantaisie|teintes|tons|néons froids|reflet|flou|texture|illustration|palette|clair-obscur|contre-jour|profondeur de champ|composition|mots-clés|esthétique|nostalgique",
}
_STYLE_WEAK = {
    "en": "light|lit|glow|soft|warm|cool|color|colors|colour|colours|colored|muted|vibrant|crisp|shadow|shadows|dramatic|emotionally|elegant|mysterious|black-and-white|tension|high-contrast|painterly|dynamic|humorous|pure|shocking|smoke|50mm|35mm|amber|rich|beautiful|particles|feel|feeling|floating|flat",
    "zh": "高清|细腻|暖阳|陽光|安静压抑|氛圍感|古风|夢幻|震撼|神秘|紧张|漂浮感|情绪|冷暖|红黑|黑白|8k|4k|阳光|柔和|紧张感",
    "ja": "暖色系|寒色系|暖色|寒色|淡い|やわらかい|柔らかい|温かい|暖かい|静けさ|クリーン|冷たさ|透明感|人生",
    "ko": "부드러운|따뜻한|차가운|푸른|은은한|선명한|로맨틱|인생|코미디|섬세한|색",
    "de": "warm|warme|warmes|weich|weiches|kräftig|kräftiger|dunkel|hell|golden|goldenes|graues|stark|starkes|dramatisch|reich|scheinwerfer|echte|urbane|hoher|emotionale|weitreichendes",
    "fr": "doré|dorée|doux|douce|froid|chaud|chaude|forte|fins|émotionnel|riche|véritable|néon|lumineuse|chaudes|pâle|élevé",
}
_PLACE = {
    "en": "street|road|highway|alley|lane|square|bridge|park|garden|forest|wood|woods|jungle|rainforest|meadow|field|cornfield|farm|hill|hillside|mountain|mountains|pass|valley|canyon|desert|beach|coast|coastline|shore|sea|ocean|lake|pond|river|canal|stream|waterfall|island|reef|seabed|cave|cliff|sky|clouds|space|station|platform|train|subway car|airport|harbour|harbor|dock|pier|city|town|village|suburb|market|shop|store|bakery|café|cafe|restaurant|kitchen|bar|pub|hotel|lobby|hall|ballroom|corridor|hallway|office|studio|desk|classroom|school|library|museum|church|temple|castle|palace|room|bedroom|living room|bathroom|attic|cellar|basement|garage|workshop|lab|laboratory|factory|warehouse|stage|theatre|theater|stadium|arena|gym|court|pool|rink|house|home|cabin|apartment|balcony|rooftop|roof|terrace|porch|yard|courtyard|backyard|window|doorway|door|fireplace|table|counter|bench|wall|walls|fence|background|foreground|ruins|zone|outback|marsh|savannah|arctic|tunnel|cockpit|module|greenhouse|vineyard|orchard|riverbank|lakeside|countryside|skyline|cornfield|tower|skyscraper|cobblestone|cloud|landscape|scene|surrounding|environment|camp|campfire|cell|vehicle|bus|taxi|tram|boat deck|deck|lighthouse|quay|playground|crossing|cafeteria|diner|horizon",
    "zh": "街道|街巷|街头|街上|小巷|窄巷|巷|公路|乡间道路|路边|广场|桥|公园|花园|森林|竹林|树林|草原|草坪|草地|田野|稻田|农场|山坡|山路|山谷|雪原|高山|雪山|沙漠|海滩|海边|海上|海底|海面|湖边|湖畔|河边|河岸|溪边|岛|洞穴|悬崖|天空|云海|星空|太空|车站|站台|地铁|机场|港口|码头|城市|都市|小镇|古镇|村庄|市场|夜市|商店|面包店|咖啡店|咖啡馆|餐厅|餐馆|厨房|酒吧|酒店|大厅|走廊|长廊|办公室|演播室|工作室|作坊|教室|黑板|学校|图书馆|博物馆|寺庙|宫殿|宫廷|书房|房间|卧室|客厅|浴室|阁楼|地下室|仓库|工厂|舞台|剧院|体育馆|冰场|泳池|屋顶|天台|阳台|院子|窗边|窗邊|街頭|屋頂|海邊|河邊|廟街|車站|火車|巴士站|樓梯|天橋|渡輪|客廳|房間|辦公室|火车|车厢|公交车|小屋|灯塔|山顶|湖面|沙滩|村口|田间|巷口|楼顶|窗外|窗前|门口|桌上|案前|背景|前景|遗址|废墟|冰原|岩壁|机舱|邮局|店里|店内|室内|室外|户外|直播间|栈道|舊區|街市|茶餐廳|麻雀枱|榕樹|大排檔|屋企|公園|巴士|的士入面|海旁|碼頭|課室|廚房|公司|商場|城堡|雾|薄雾|雪雾|地面|四周|周围|环境|场景|場景|地铁站|小区|胡同",
    "ja": "街|通り|道|路地|広場|橋|公園|庭|森|竹林|草原|畑|茶畑|田んぼ|農場|丘|山|谷|砂漠|海|海辺|浜辺|砂浜|湖|湖畔|川|小川|岸|島|洞窟|崖|空|雲|宇宙|駅|ホーム|地下鉄|空港|港|都市|町|村|市場|マーケット|店|商店街|屋台|カフェ|食堂|レストラン|厨房|台所|キッチン|ホテル|廊下|事務所|オフィス|スタジオ|教室|校庭|学校|図書館|神社|寺|城|部屋|寝室|居間|屋根|屋上|ベランダ|縁側|窓|窓辺|玄関|工房|倉庫|工場|舞台|ステージ|劇場|体育館|温室|背景|机|テーブル|コロニー|夜市|雪景色|銭湯|バス停|境内|野原|海岸|上空|霧|地平線|屋内|室内",
    "ko": "거리|골목|길|산길|도로|광장|다리|공원|정원|숲|들판|논|밭|농장|언덕|산|계곡|사막|바다|바닷가|해변|호수|호숫가|강가|강|섬|동굴|절벽|하늘|우주|역|승강장|지하철|공항|항구|도시|마을|시장|야시장|가게|빵집|카페|식당|부엌|주방|호텔|복도|사무실|스튜디오|교실|학교|도서관|궁궐|한옥|마당|방|침실|거실|옥상|지붕|베란다|창가|창밖|창문|문|작업실|창고|공장|무대|극장|체육관|배경|식민지|바둑판|바닥|상공|안개|운동장|놀이터|정류장|테라스|풍경|눈밭",
    "de": "straße|gasse|gassen|weg|platz|brücke|park|garten|wald|wiese|feld|bauernhof|hügel|berg|tal|wüste|strand|küste|meer|see|teich|fluss|bach|insel|höhle|klippe|himmel|wolken|weltall|bahnhof|bahnsteig|zug|flughafen|hafen|stadt|altstadt|dorf|markt|nachtmarkt|laden|bäckerei|café|restaurant|küche|bar|hotel|halle|flur|büro|studio|klassenzimmer|schule|bibliothek|museum|kirche|schloss|zimmer|schlafzimmer|wohnzimmer|keller|werkstatt|fabrik|bühne|theater|saal|rathaus|haus|hütte|balkon|dach|terrasse|hof|fenster|tür|theke|tisch|hintergrund|ruine|krater|kraters|rand|leuchtturm|pfütze|ufer|nebel|sturm|verkaufsstände|stromausfall|garage|scheune|gewächshaus|stadion|turm|mauer|kreuzung|umgebung|landschaft|bushaltestelle|steg",
    "fr": "rue|rues|ruelle|ruelles|route|place|pont|parc|jardin|forêt|prairie|champ|ferme|colline|montagne|vallée|désert|plage|côte|mer|océan|lac|étang|rivière|ruisseau|île|grotte|falaise|ciel|nuages|espace|gare|quai|train|métro|tramway|aéroport|port|ville|village|marché|boutique|magasin|boulangerie|café|restaurant|cuisine|bar|hôtel|couloir|bureau|studio|classe|école|bibliothèque|musée|église|château|chambre|salon|grenier|cave|atelier|usine|scène|théâtre|salle|maison|cabane|balcon|toit|terrasse|cour|fenêtre|porte|comptoir|table|décor|arrière-plan|ruines|environnement|univers|panne|cratère|bord|phare|allée|mur|horizon|gymnase|serre|verger|rivage|port|trottoir|jetée",
}
_WEATHER = {
    "en": "dawn|sunrise|morning|noon|midday|afternoon|evening|dusk|sunset|night|midnight|twilight|rain|rainy|snow|snowy|fog|foggy|mist|misty|storm|stormy|sunny|cloudy|wind|windy|hour|day|daytime|winter|summer|autumn|spring|sun|moon|moonlight|sunlight|haze|dust|aurora|starry|indoors|outdoors|weather",
    "zh": "清晨|早晨|朝早|黎明|日出|正午|中午|午后|午後|下午|傍晚|黄昏|黃昏|日落|夜晚|深夜|夜|元宵夜|夏天|夏日|冬天|秋天|春天|盛夏|雨|雪|雾|風|月光|星空|银河|晴朗|落日",
    "ja": "朝|早朝|夜明け|正午|昼|午後|夕方|夕暮れ|夜|深夜|雨|雪|霧|風|夏|冬|秋|春|日差し|夕日|月明かり|曇り空|星空|砂埃",
    "ko": "아침|이른 아침|새벽|정오|낮|오후|저녁|밤|자정|비|눈|첫눈|안개|바람|여름|겨울|가을|봄|달빛|햇살|여름밤|노을",
    "de": "morgen|sonnenaufgang|mittag|nachmittag|abend|sonnenuntergang|nacht|mitternacht|dämmerung|regen|regnerisch|regnerischen|schnee|nebel|sturm|wind|sommer|winter|herbst|frühling|mondlicht|tag",
    "fr": "matin|aube|midi|après-midi|soir|soirée|crépuscule|nuit|minuit|coucher du soleil|lever du soleil|pluie|pluvieuse|pluvieux|neige|brume|brouillard|orage|vent|été|hiver|automne|printemps|lune|jour|soleil",
}

WEIGHTS: tuple[tuple[Part, int, Mapping[str, str]], ...] = (
    ("camera", 3, _CAMERA_STRONG),
    ("camera", 1, _CAMERA_WEAK),
    ("audio", 3, _AUDIO_STRONG),
    ("audio", 1, _AUDIO_WEAK),
    ("style", 3, _STYLE_STRONG),
    ("style", 1, _STYLE_WEAK),
    ("environment", 2, _PLACE),
    ("environment", 2, _WEATHER),
)

# Verbs: English in the base form (its other forms are derived), the rest as they are written.
_ENGLISH_VERBS = "walk|run|speak|talk|sit|stand|look|hold|open|close|turn|ride|drive|dance|sing|play|raise|lift|lower|smile|laugh|grin|wink|wave|nod|shake|jump|leap|hop|skip|fall|float|fly|drift|glide|soar|move|step|pour|drink|sip|eat|taste|bite|chew|scream|shout|yell|whisper|deliver|interrogate|hand|pass|meet|greet|bow|explore|inspect|examine|watch|catch|throw|toss|crash|slam|rev|sail|swim|dive|surf|roll|bounce|blink|breathe|knock|pull|push|drag|read|write|draw|paint|cook|bake|knead|stir|chop|slice|transform|test|take|make|give|show|enter|leave|rise|spin|rotate|twirl|swirl|surge|burst|erupt|explode|tumble|intensify|dodge|freeze|stop|start|begin|continue|keep|advance|flee|chase|panic|get|grab|grip|squeeze|press|touch|tap|stroke|brush|comb|wipe|clean|wash|fold|unfold|roll|build|repair|fix|hammer|saw|cut|carve|shape|respond|expand|cool|stiffen|detach|wade|shimmer|slide|crackle|steam|sway|brake|brace|stumble|smash|break|shatter|melt|drip|splash|flow|land|launch|accelerate|carry|bring|place|put|set|pick|drop|plant|water|feed|pet|hug|kiss|cry|weep|sigh|yawn|stretch|wake|sleep|dream|think|pout|hide|seek|search|find|reveal|appear|disappear|emerge|vanish|gather|wait|stare|gaze|glance|peer|lean|crouch|kneel|climb|crawl|march|stride|stroll|wander|trot|gallop|canter|race|sprint|rush|hurry|dash|hover|perch|flap|peck|sniff|bark|wag|pounce|chase|type|call|ring|answer|present|demonstrate|explain|point|clap|cheer|celebrate|toast|strum|conduct|perform|practise|practice|rehearse|train|box|punch|kick|fight|block|strike|swing|aim|shoot|fire|charge|sweep|mop|dust|polish|sort|stack|pack|unpack|wrap|unwrap|light|extinguish|blow|burn|glow|flicker|shine|sparkle|glitter|refract|reflect|cast|cover|fill|empty|spill|fling|flip|bend|twist|curl|uncurl|bloom|grow|wither|age|follow|lead|guide|help|join|approach|reach|arrive|depart|return|cross|clear|pull|tug|adjust|button|wear|dress|tie|untie|lock|unlock|use|integrate|engage|interrupt|outrun|exchange|joke|chat|argue|discuss|teach|learn|study|pose|strike|feature|display|exhibit|respond|react|suppress|lose|win|compete|beat|guard|hunt|fish|dig|harvest|bow|tighten|loosen|clatter|stamp|stomp|shiver|tremble|pulse|vibrate|sprout|change|become|stay|remain|go|come|do|see|illuminate|accompany|swoop|circle|dip|descend|ascend|acknowledge|gesture|signal|beckon|announce|narrate|introduce|unroll|unfurl|sprinkle|serve|offer|sell|buy|pay|count|measure|weigh|mix|whisk|fry|grill|roast|boil|peel|grate|sew|knit|weave|spray|polish|rinse|scrub|iron|hang|swipe|scroll|click|select|load|unload|lug|haul|balance|juggle|dribble|score|slump|flinch|shrug|frown|blush|squint|snap|attach|release|toggle|crumble|collapse|topple|scatter|spread|settle|sink|surface|ripple|crest|lap|trickle|gush|rest|widen|narrow|twinkle|retract|channel|scamper|waddle|hoist|saunter|slither|sizzle|simmer|sprint|bob|add|let|generate|invite|nibble|tiptoe|scoop|shovel|paddle|row|steer|pedal|skate|ski|juggle|meditate|ponder|inhale|exhale|tidy|decorate|arrange|trim|mow|rake|squat|salute|cradle|bounce|bustle|loom|tower|sprawl|trail|linger|hesitate|pause|embrace|whirl|flutter|crumple|inflate|deflate|peek|duck|lunge|parry|strap|unzip|zip|buckle|engrave|inscribe|sculpt|mold|glaze|garnish|plate|season|flambe|complete|seem|increase|decrease|droop|tip|refuse|want|fail|glisten|wobble|speed|eject|sweat|extract|wish|need|like|love|hate|know|admire|adore|ignore|notice|hear|smell|feel|pluck|tune|froth|foam|whip|drizzle|sift|brew|steep|strap|anchor|moor|hum"
_IRREGULAR = "is|are|was|were|has|have|had|be|been|being|am|can|will|sat|stood|held|spoke|said|sang|ran|fell|flew|drank|ate|threw|caught|took|made|gave|rose|spun|wrote|drew|swam|drove|rode|began|came|went|saw|found|left|met|kept|got|swung|struck|bent|wore|seated|dressed|gone|built|vibrated|covered"
_VERBS = {
    "zh": "走|跑|飞奔|奔跑|狂奔|跳|跳过|跳繩|跳绳|站|坐|端坐|看|望|凝视|注视|仰望|笑|微笑|哭|说话|講嘢|对着|對住|对镜头|同鏡頭|唱|拿|拿起|捧|捧住|举|举起|放|放入|放落|推开|拉|拉近|打开|打|关上|转身|转头|回头|抬头|低头|点头|挥手|挥舞|伸手|伸出|扣住|搖住|摇|摇摆|敲|写|画|读|切|炒|煮|烤|烤制|倒|倒出|喝|吃|吹|抱|牵|骑|骑着|开车|驾驶|滑|滑行|划过|俯冲|旋转|飞|飞舞|飘|漂浮|落|落入|散开|散落|滚落|撞倒|撞|爬|爬起|穿过|越过|走过|追|逃|打斗|对峙|对决|互动|表演|演奏|弹奏|跳舞|起舞|排成|收起|刨平|缝|修|擦|洗|扫|递给|递|取出|盖好|展示|出现|消失|变成|化成|绽放|生长|发芽|成熟|前行|前进|行驶|凑近|靠近|站立|扭头|大笑|哈哈|执卷|背着信袋穿行|穿行|游|游向|轻点|合上|逼近|举杯|晃动|摇晃|摇曳|流转|行|行埋|行埋嚟|飲|食|睇|拍一拍|叫|将|把|正在|慢慢|缓缓|轻轻|缓慢|快速|迅速|高速|用力|迎面|渐渐|突然|忽然|悄悄|不停|一边|正|躺|睡|醒来|发抖|呼吸|流泪|朝|向|随着|踩|扑|抓|握|指|指向|解开|系上|脱下|戴上|玩|练|修理|搬|提起|锻造|激起|闪烁|喂鸽子|餵|静立|伫立|屹立|盘旋|蹲|蹲下|跪|拥抱|亲吻|弹|弹吉他|洒|洒落|泛着|提着|伸着|踏入|带着|皱眉|抬|扛|背着|停|停下|等待|等|挥|挥动|搅拌|揉|揉面|折|剪|浇水|浇|喂|抚摸|轻抚|翻|翻开|合十|鼓掌|敬礼|举杯|端起|端着|端|倚|倚靠|靠在|嗅|闻|品尝|咬|咀嚼|欢呼|庆祝|打牌|釣魚|钓鱼|喺麻雀枱打牌",
    "ko": "",
    "de": "ist|sind|war|waren|hat|haben|geht|gehen|läuft|laufen|rennt|rennen|springt|springen|steht|stehen|sitzt|sitzen|schaut|schauen|blickt|sieht|hält|halten|öffnet|öffnete|schließt|dreht|drehen|fährt|fahren|reitet|tanzt|tanzen|singt|singen|spielt|spielen|hebt|heben|senkt|lächelt|lacht|lachen|winkt|nickt|fällt|fallen|fliegt|fliegen|schwebt|schweben|gleitet|bewegt|tritt|gießt|trinkt|trinken|isst|essen|schreit|spricht|sprechen|redet|gibt|geben|trifft|treffen|verbeugt|erkundet|fängt|wirft|warf|schwimmt|schwimmen|rollt|klopft|zieht|ziehen|drückt|schiebt|liest|schreibt|malt|zeichnet|kocht|backt|knetet|rührt|schneidet|nimmt|nehmen|macht|zeigt|zeigen|betritt|verlässt|steigt|wartet|warten|putzt|repariert|reparieren|trägt|tragen|legt|stellt|setzt|greift|sucht|findet|erscheint|verschwindet|wächst|folgt|führt|hilft|jagt|kämpft|kämpfen|läuft|schleicht|stapft|balanciert|pflanzt|gräbt|füttert|streichelt|umarmt|küsst|weint|schläft|erwacht|träumt|lehnt|kniet|klettert|wandert|bringt|leuchtet|leuchten|zündet|zündeten|reflektierte|reflektiert|verwandelt|wird|werden|schlängelten|rast|fand|ging|kam|sprach|stand|ließ|zupft|poliert|faltet|bindet|wischt|dirigiert|probiert|kostet|verkauft|serviert|verneigt|hüpft|hüpfen|schaukelt|dampft|tropft|weht|wehen",
    "fr": "est|sont|était|a|ont|marche|marchent|court|courent|saute|sautent|parle|parlent|regarde|regardent|tient|tiennent|ouvre|ferme|tourne|tournent|monte|descend|conduit|danse|dansent|chante|chantent|joue|jouent|lève|lèvent|sourit|sourient|rit|rient|salue|tombe|tombent|flotte|flottent|vole|volent|glisse|bouge|verse|boit|boivent|mange|mangent|crie|donne|donnent|rencontre|explore|inspecte|observe|attrape|lance|lancé|nage|nagent|roule|roulent|frappe|tire|pousse|lit|lisent|écrit|peint|dessine|cuisine|pétrit|remue|coupe|prend|prennent|fait|montre|entre|sort|attend|attendent|répare|réparent|nettoie|porte|portent|pose|cherche|trouve|apparaît|disparaît|pousse|suit|suivent|aide|combat|plante|creuse|nourrit|caresse|embrasse|pleure|dort|rêve|s'assied|assis|assise|grimpe|apporte|brille|brillent|serpentaient|allume|allumé|reflète|reflétait|arrange|goûte|traverse|traversent|vend|sert|avance|recule|hoche|tend|plie|dépose|souffle|tricote|saupoudre|repasse|polit|accueille|ouvert|avance|galope|plonge|agite|épluche|taille|sculpte",
}
# Nouns that hold a verb or a place: taken whole, so that neither is seen.
_NOUNS = {
    "zh": "搞笑|笑容|碰撞|冲击|表情|动作|节奏|对话|滑雪者|滑雪板|滑板|跑车|跑步者|舞者|歌手|骑手|骑士|飞船|飞机|飞行员|打字机|吹风机|推车|拉面|写字楼|读者|开关|转角|倒影|跳台|拉链|跑道|行人|旅行者|吹笛人|画家|写手|洗衣机|行李|行李箱|行業|舞台劇|水果摊|茶师|邮差|打火機|看更|食客",
    "ja": "光る|光り|光って|老茶農家|花火|手紙|雲海|竹ドローン|海苔|山羊|道具|店主|店員|庭師|空気|川柳",
}
NOUNS: Mapping[str, frozenset[str]] = {code: frozenset(forms.split("|")) for code, forms in _NOUNS.items()}
# Words of dress and looks: what follows the subject and holds one of these describes it.
WEAR = "穿|穿着|身穿|身着|身著|着|戴着|戴|梳着|头发|发髻|束发|扎着|披着|留着|制服|長髮|长发|短发|衣着|皮肤|wearing|dressed|haired|clad|outfit|hair|wardrobe|clothes|beard|jacket|coat|dress|hat|cap|glasses|veste|tablier|manteau|chapeau|toque|mantel|jacke|schürze|hut|kleid|bart"


def _endings(verb: str) -> Iterator[str]:
    stem = verb[:-1] if verb.endswith("e") else verb
    double = verb + verb[-1] if len(verb) < 6 and verb[-1] in "bdgmnprt" and verb[-2] in "aeiou" else stem
    yield verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "o")) else "s")
    yield from (stem + "ing", double + "ing", stem + "ed", double + "ed")
    if verb.endswith("y"):
        yield from (verb[:-1] + "ies", verb[:-1] + "ied")


def word_set(text: str) -> frozenset[str]:
    """The words between the spaces."""
    return frozenset(text.split())


ENGLISH_BASES = frozenset(_ENGLISH_VERBS.split("|"))
ENGLISH_FORMS = (
    ENGLISH_BASES
    | frozenset(form for verb in ENGLISH_BASES for form in _endings(verb))
    | frozenset(_IRREGULAR.split("|"))
)
VERBS: Mapping[str, frozenset[str]] = {
    code: frozenset(forms.split("|")) - {""} for code, forms in _VERBS.items()
}
