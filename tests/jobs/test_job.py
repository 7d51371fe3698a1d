from happyhorse.jobs.job import TERMINAL, TRANSITIONS, Status, sources


def test_every_status_has_its_transitions_and_three_are_the_end():
    assert set(TRANSITIONS) == set(Status)
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELED} == TERMINAL


def test_no_status_can_be_reached_again_once_it_is_left():
    def reachable(start):
        seen, todo = set(), [start]
        while todo:
            for following in TRANSITIONS[todo.pop()] - seen:
                seen.add(following)
                todo.append(following)
        return seen

    for status in Status:
        for later in reachable(status) - {status}:
            assert status not in reachable(later)


def test_an_accepted_cancel_never_ends_in_a_charge():
    assert sources(Status.SUCCEEDED) == ("running",)
