"""The report of `playhead audit --html`: what the store sums up, as one page with charts that needs no network and no scripts."""
