"""What torch allocates while something runs."""

from torch.profiler import ProfilerActivity, profile


def peak_bytes(run):
    """The most memory torch held at one time beyond what was there before; the second run of two is measured."""
    run()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    total = top = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        top = max(top, total)
    return top
