-- Senders of mail, tasks for people, and what workers share while they send.

CREATE INDEX snapshots_sender ON snapshots (tenant_id, stream_id) WHERE stream = 'sender';

-- A sender's password, under the master key. Its name is in the sender's events, it is not.
CREATE TABLE sender_secrets (
    tenant_id uuid  NOT NULL,
    secret_id uuid  NOT NULL,
    encrypted bytea NOT NULL,
    PRIMARY KEY (tenant_id, secret_id)
);

-- Which worker works on which waiting message, and until when nobody else looks at it.
CREATE TABLE message_leases (
    tenant_id  uuid        NOT NULL,
    message_id uuid        NOT NULL,
    holder     uuid        NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
) WITH (fillfactor = 70);

-- From when on a sender, or a recipient's domain, takes the next message, over all workers.
CREATE TABLE sending_rates (
    tenant_id        uuid             NOT NULL,
    name             text             NOT NULL COLLATE "C",
    next_at          timestamptz      NOT NULL,
    interval_seconds double precision NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITH (fillfactor = 70);

-- One row per sender, as it is now.
CREATE TABLE senders (
    tenant_id      uuid    NOT NULL,
    sender_id      uuid    NOT NULL,
    version        integer NOT NULL,
    tenant_seq     bigint  NOT NULL,
    port           integer NOT NULL,
    connections    integer NOT NULL,
    pause_ms       integer NOT NULL,
    max_per_second integer NOT NULL,
    has_password   boolean NOT NULL,
    key            text    NOT NULL COLLATE "C",
    state          text    NOT NULL COLLATE "C",
    reason         text    NOT NULL,
    host           text    NOT NULL,
    from_address   text    NOT NULL,
    security       text    NOT NULL COLLATE "C",
    username       text    NOT NULL,
    source_address text    NOT NULL,
    PRIMARY KEY (tenant_id, sender_id)
) WITH (fillfactor = 70);

-- One row per task. Texts about a customer are encrypted.
CREATE TABLE tasks (
    tenant_id   uuid    NOT NULL,
    task_id     uuid    NOT NULL,
    version     integer NOT NULL,
    tenant_seq  bigint  NOT NULL,
    about       uuid,
    customer_id uuid,
    due_on      date,
    opened_on   date    NOT NULL,
    kind        text    NOT NULL COLLATE "C",
    state       text    NOT NULL COLLATE "C",
    text        text    NOT NULL,
    note        text    NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) WITH (fillfactor = 70);
CREATE INDEX tasks_opened ON tasks (tenant_id, opened_on, task_id);
CREATE INDEX tasks_open ON tasks (tenant_id, opened_on, task_id) WHERE state = 'open';

ALTER TABLE sender_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE message_leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE sending_rates  ENABLE ROW LEVEL SECURITY;
ALTER TABLE senders        ENABLE ROW LEVEL SECURITY;
ALTER TABLE tasks          ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON sender_secrets TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON message_leases TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON sending_rates  TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON senders        TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON tasks          TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON senders, tasks TO duebook_api;
GRANT SELECT, INSERT, DELETE ON sender_secrets TO duebook_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON message_leases, sending_rates, senders, tasks TO duebook_writer;
