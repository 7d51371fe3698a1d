"""What torch allocates while something runs."""

import torch
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


def gpu_peak_bytes(run):
    """The most that a GPU's allocator had given out at one time while something ran, what was there before included."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
