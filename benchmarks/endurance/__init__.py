"""One session that lasts for hours: is it as quick and as small at the end as at the beginning?"""
