"""Fitted estimators of many libraries as forms: one file a family."""
