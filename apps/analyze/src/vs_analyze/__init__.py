"""From learning curves to laws, recommendations, held-out checks and a report."""
