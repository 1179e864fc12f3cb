"""Mails that come back: delivery reports and complaints, over SMTP or LMTP and as files."""
