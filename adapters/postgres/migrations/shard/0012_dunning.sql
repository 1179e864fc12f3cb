-- Dunning: customers are paged with their open invoices, and messages that wait are found.

CREATE INDEX snapshots_debtor ON snapshots (tenant_id, payer_id, stream_id) WHERE payer_id IS NOT NULL;
DROP INDEX snapshots_payer;
CREATE INDEX snapshots_outbox ON snapshots (tenant_id, wakes_on, stream_id)
    WHERE stream = 'message' AND wakes_on IS NOT NULL;

-- One row per message. `reason` says why it failed last, is dead-lettered, unknown or cancelled.
CREATE TABLE messages (
    tenant_id     uuid    NOT NULL,
    message_id    uuid    NOT NULL,
    version       integer NOT NULL,
    tenant_seq    bigint  NOT NULL,
    customer_id   uuid    NOT NULL,
    amount_minor  bigint  NOT NULL,
    attempts      integer NOT NULL,
    plan_version  integer NOT NULL,
    queued_on     date    NOT NULL,
    business_date date    NOT NULL,
    kind          text    NOT NULL COLLATE "C",
    channel       text    NOT NULL COLLATE "C",
    state         text    NOT NULL COLLATE "C",
    currency      text    NOT NULL COLLATE "C",
    plan          text    NOT NULL COLLATE "C",
    step          text    NOT NULL COLLATE "C",
    purpose       text    NOT NULL COLLATE "C",
    sender        text    NOT NULL COLLATE "C",
    reference     text    NOT NULL,
    reason        text    NOT NULL,
    invoice_ids   text    NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
) WITH (fillfactor = 70);
CREATE INDEX messages_queued ON messages (tenant_id, queued_on, message_id);
CREATE INDEX messages_customer ON messages (tenant_id, customer_id, queued_on, message_id);
CREATE INDEX messages_state ON messages (tenant_id, state, queued_on, message_id);

-- One row per dunning plan that was saved or activated. `rules` is JSON.
CREATE TABLE dunning_plans (
    tenant_id    uuid    NOT NULL,
    plan_id      uuid    NOT NULL,
    version      integer NOT NULL,
    tenant_seq   bigint  NOT NULL,
    plan_version integer NOT NULL,
    active_from  date,
    key          text    NOT NULL COLLATE "C",
    rules        text    NOT NULL,
    PRIMARY KEY (tenant_id, plan_id)
) WITH (fillfactor = 70);

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE dunning_plans ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON messages TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON dunning_plans TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON messages, dunning_plans TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON messages, dunning_plans TO duebook_writer;
