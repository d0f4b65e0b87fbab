"""Retention: who stayed, who left, who came new and who came back, by period and by cohort."""
