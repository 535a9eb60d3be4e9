"""The methods that make maps, one table."""
