"""What kinds that look at a sliding window share: sorted times and numbers, distinct values, counts over long spans.

All windows are (t - window, t] in event time. What belongs into a window but arrives late is put where it belongs.
"""
