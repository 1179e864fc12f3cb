-- The tenant of an API key, for requests that do not name their tenant.
-- Runs with its owner's rights, past row-level security, and answers for a key's hash alone: who has not the key
-- learns nothing.

CREATE FUNCTION tenant_of_key(hash bytea) RETURNS uuid
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog
    AS 'SELECT tenant_id FROM duebook.api_keys WHERE key_hash = hash AND revoked_at IS NULL';

REVOKE ALL ON FUNCTION tenant_of_key(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_of_key(bytea) TO duebook_api;
