"""Load generators and scenarios: what the control plane costs, in CPU and counts first."""
