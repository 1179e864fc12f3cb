"""Mail over SMTP (RFC 5321): connections to a tenant's server, and what its answers mean."""
