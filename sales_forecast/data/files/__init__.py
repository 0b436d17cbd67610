"""The forms of files that sales come in: one small class each, behind `layouts.Layout`."""
