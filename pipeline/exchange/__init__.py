"""Files of other projects: datasets written as theirs, and theirs read as datasets."""
