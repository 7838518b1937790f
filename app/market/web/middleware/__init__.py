"""What every request passes: security headers, rates, concurrency."""
