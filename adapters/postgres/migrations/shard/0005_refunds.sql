-- Refunds: the read model `refunds`, and an index by which payouts find what waits for them.

-- One row per refund. Destination, reason and failed_because are encrypted.
CREATE TABLE refunds (
    tenant_id      uuid    NOT NULL,
    refund_id      uuid    NOT NULL,
    version        integer NOT NULL,
    tenant_seq     bigint  NOT NULL,
    customer_id    uuid    NOT NULL,
    amount_minor   bigint  NOT NULL,
    attempts       integer NOT NULL,
    requested_on   date    NOT NULL,
    settled_on     date,
    automatic      boolean NOT NULL,
    status         text    NOT NULL COLLATE "C",
    currency       text    NOT NULL COLLATE "C",
    provider       text    NOT NULL COLLATE "C",
    reference      text    NOT NULL COLLATE "C",
    last_error     text    NOT NULL,
    destination    text    NOT NULL,
    reason         text    NOT NULL,
    failed_because text    NOT NULL,
    PRIMARY KEY (tenant_id, refund_id)
) WITH (fillfactor = 70);
CREATE INDEX refunds_requested ON refunds (tenant_id, requested_on, refund_id);
CREATE INDEX refunds_customer ON refunds (tenant_id, customer_id, requested_on, refund_id);
CREATE INDEX refunds_status ON refunds (tenant_id, status, requested_on, refund_id);

ALTER TABLE refunds ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON refunds TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON refunds TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON refunds TO duebook_writer;

-- Payouts look for what waits every few seconds, over all tenants; invoices that wait for their day are not in their way.
CREATE INDEX snapshots_payout ON snapshots (tenant_id, wakes_on, stream_id) WHERE stream = 'refund' AND wakes_on IS NOT NULL;
