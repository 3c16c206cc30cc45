"""Why a request differs from what was recorded: `divergence`, one floor up, puts it together."""
