"""The small languages in rules: expressions over columns and single values, conditions over names, templates, matches of labels."""
