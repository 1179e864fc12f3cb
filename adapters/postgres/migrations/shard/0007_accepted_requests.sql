-- Requests that were accepted and are carried out soon (`Prefer: respond-async`). A row goes when its request is done.

-- The body is encrypted under the master key, and dropped when the request is refused; the refusal is JSON then.
CREATE TABLE accepted_requests (
    tenant_id      uuid        NOT NULL,
    key            text        NOT NULL COLLATE "C",
    request_id     uuid        NOT NULL,
    operation      text        NOT NULL COLLATE "C",
    request_hash   bytea       NOT NULL,
    actor          text        NOT NULL,
    correlation_id text        NOT NULL,
    accepted_at    timestamptz NOT NULL,
    body           bytea,
    refusal        bytea,
    PRIMARY KEY (tenant_id, key)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX accepted_requests_id ON accepted_requests (tenant_id, request_id);
CREATE INDEX accepted_requests_waiting ON accepted_requests (accepted_at, tenant_id, key) WHERE refusal IS NULL;

ALTER TABLE accepted_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON accepted_requests TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON accepted_requests TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON accepted_requests TO duebook_writer;
