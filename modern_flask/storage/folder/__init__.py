"""Objects as the files of a folder."""
