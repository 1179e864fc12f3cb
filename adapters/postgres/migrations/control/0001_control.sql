-- What stands above the shards: which there are, which tenant lives where, and who may call for it.
-- Runs as duebook_owner with search_path set to the schema duebook.

-- The key that wraps customers' keys, by its fingerprint, so that another one is refused.
CREATE TABLE installation (
    singleton              smallint    NOT NULL PRIMARY KEY CHECK (singleton = 1),
    master_key_fingerprint text        NOT NULL,
    created_at             timestamptz NOT NULL
);

-- A shard is a schema; dsn names its server (host, port, dbname) and is null on this one.
CREATE TABLE shards (
    shard_id    text NOT NULL COLLATE "C" PRIMARY KEY,
    schema_name text NOT NULL,
    dsn         text
);
INSERT INTO shards (shard_id, schema_name, dsn) VALUES ('s1', 'duebook_s1', NULL);

CREATE TABLE tenants (
    tenant_id uuid NOT NULL PRIMARY KEY,
    shard_id  text NOT NULL REFERENCES shards (shard_id),
    name      text NOT NULL UNIQUE
);

-- A key is shown once; only its hash is kept.
CREATE TABLE api_keys (
    key_hash   bytea       NOT NULL PRIMARY KEY,
    tenant_id  uuid        NOT NULL REFERENCES tenants (tenant_id),
    key_id     uuid        NOT NULL UNIQUE,
    name       text        NOT NULL,
    role       text        NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id);

ALTER TABLE tenants  ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON tenants  TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON api_keys TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);

GRANT SELECT ON tenants, api_keys TO duebook_api;
GRANT SELECT ON installation, shards TO duebook_writer;
GRANT SELECT, INSERT ON tenants, api_keys TO duebook_writer;
GRANT UPDATE (name) ON tenants TO duebook_writer;
GRANT UPDATE (name, role, revoked_at) ON api_keys TO duebook_writer;
