"""What starts runs without hands: sensors, schedules, conditions and freshness."""
