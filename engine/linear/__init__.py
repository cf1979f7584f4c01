"""Linear models over hashed pieces of texts, which the screener and the guard share: features, files, training."""
