"""Human studies of answers: who rates what, blind and in which order, and what the ratings say."""
