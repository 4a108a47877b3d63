"""Race scenarios: complete races, lap by lap, that obey the laws of the race."""
