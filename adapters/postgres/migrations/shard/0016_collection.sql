-- Collection work: one row per call or visit. Notes are encrypted.

-- Only the clock asks for what wakes, and only for invoices: messages that wait have an index of their own.
DROP INDEX snapshots_wake;
CREATE INDEX snapshots_wake ON snapshots (tenant_id, wakes_on, stream_id)
    WHERE stream = 'invoice' AND wakes_on IS NOT NULL;

CREATE TABLE activities (
    tenant_id   uuid    NOT NULL,
    activity_id uuid    NOT NULL,
    version     integer NOT NULL,
    tenant_seq  bigint  NOT NULL,
    customer_id uuid    NOT NULL,
    task_id     uuid,
    happened_on date    NOT NULL,
    kind        text    NOT NULL COLLATE "C",
    result      text    NOT NULL COLLATE "C",
    note        text    NOT NULL,
    invoice_ids text    NOT NULL,
    PRIMARY KEY (tenant_id, activity_id)
) WITH (fillfactor = 90);
CREATE INDEX activities_customer ON activities (tenant_id, customer_id, happened_on, activity_id);
CREATE INDEX activities_happened ON activities (tenant_id, happened_on);

ALTER TABLE activities ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON activities TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON activities TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON activities TO duebook_writer;
