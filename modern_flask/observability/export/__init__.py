"""The export of ended spans: the destination, the encodings and the uploader."""
