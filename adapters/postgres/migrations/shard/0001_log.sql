-- The log of one shard and everything that is written in the same transaction as its events.
-- Runs as duebook_owner with search_path set to the shard's schema.
-- Rights are withheld rather than guarded by triggers: nobody but the owner may change or delete an event.

-- The one row whose lock puts every writing transaction in line: commit order is position order.
CREATE TABLE log_head (
    shard       smallint    NOT NULL PRIMARY KEY,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO log_head (shard, position, recorded_at) VALUES (1, 0, '2000-01-01 00:00:00+00');

-- The gapless number of each tenant's last event; a tenant sees only its own numbers.
CREATE TABLE tenant_log (
    tenant_id  uuid   NOT NULL PRIMARY KEY,
    tenant_seq bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE events (
    position       bigint      NOT NULL,
    tenant_id      uuid        NOT NULL,
    tenant_seq     bigint      NOT NULL,
    stream_id      uuid        NOT NULL,
    version        integer     NOT NULL,
    tag            text        NOT NULL COLLATE "C",
    recorded_at    timestamptz NOT NULL,
    effective_on   date        NOT NULL,
    actor          text        NOT NULL,
    command_id     uuid        NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   uuid,
    data           bytea       NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, version)
) WITH (
    autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_vacuum_insert_scale_factor = 0.2
);
CREATE UNIQUE INDEX events_position ON events (position);
CREATE UNIQUE INDEX events_tenant_seq ON events (tenant_id, tenant_seq);
CREATE INDEX events_correlation ON events (tenant_id, correlation_id) WHERE correlation_id <> '';

-- The folded state of each stream, written with its events. Encrypted like the events are.
--   wakes_on  the next date on which the clock must look at the stream for more than interest
--   accrues   interest is posted to it day by day
--   payer_id  the customer whose money it takes, while it can take any
CREATE TABLE snapshots (
    tenant_id    uuid     NOT NULL,
    stream_id    uuid     NOT NULL,
    stream       text     NOT NULL COLLATE "C",
    version      integer  NOT NULL,
    fold_version smallint NOT NULL,
    wakes_on     date,
    accrues      boolean  NOT NULL,
    payer_id     uuid,
    state        bytea    NOT NULL,
    PRIMARY KEY (tenant_id, stream_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1);
CREATE INDEX snapshots_wake ON snapshots (tenant_id, wakes_on, stream_id) WHERE wakes_on IS NOT NULL;
CREATE INDEX snapshots_accrue ON snapshots (tenant_id, stream_id) WHERE accrues;
CREATE INDEX snapshots_payer ON snapshots (tenant_id, payer_id) WHERE payer_id IS NOT NULL;

-- Names that one stream of a tenant may hold: an invoice number, a customer's reference.
CREATE TABLE unique_names (
    tenant_id uuid NOT NULL,
    kind      text NOT NULL COLLATE "C",
    name      text NOT NULL COLLATE "C",
    stream_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, kind, name)
);

-- Gapless numbers: a row per tenant, kind of document and series.
CREATE TABLE number_series (
    tenant_id      uuid   NOT NULL,
    kind           text   NOT NULL COLLATE "C",
    series         text   NOT NULL COLLATE "C",
    next_number    bigint NOT NULL,
    last_issued_on date   NOT NULL,
    PRIMARY KEY (tenant_id, kind, series)
) WITH (fillfactor = 50);

-- One row per idempotency key that wrote something; the answer is given again to a retry.
CREATE TABLE command_records (
    tenant_id    uuid        NOT NULL,
    key          text        NOT NULL COLLATE "C",
    request_hash bytea       NOT NULL,
    command_id   uuid        NOT NULL,
    status       smallint    NOT NULL,
    answer       bytea       NOT NULL,
    tenant_seq   bigint      NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX command_records_age ON command_records (recorded_at);

-- Keys of encrypted personal data, wrapped by the master key. Deleting one erases the person.
CREATE TABLE customer_keys (
    tenant_id   uuid  NOT NULL,
    customer_id uuid  NOT NULL,
    wrapped_key bytea NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
);

-- Who may run what: a fencing number that only grows, and until when the holder has it.
CREATE TABLE leases (
    name       text        NOT NULL COLLATE "C" PRIMARY KEY,
    holder     text        NOT NULL,
    fence      bigint      NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- How far a step of a business day has come. It moves only with the events of its chunk.
CREATE TABLE clock_checkpoints (
    tenant_id uuid    NOT NULL,
    day       date    NOT NULL,
    step      text    NOT NULL COLLATE "C",
    after_on  date    NOT NULL,
    after_id  uuid    NOT NULL,
    fence     bigint  NOT NULL,
    done      boolean NOT NULL,
    tally     bytea   NOT NULL,
    PRIMARY KEY (tenant_id, day, step)
) WITH (fillfactor = 50);

-- The position each projection has reached, in the shape of the library's tracking recorder.
CREATE TABLE projection_tracking (
    application_name text   NOT NULL COLLATE "C" PRIMARY KEY,
    notification_id  bigint NOT NULL
) WITH (fillfactor = 50);

-- Streams whose events a projection could not apply; the others go on.
CREATE TABLE parked_streams (
    projection text        NOT NULL COLLATE "C",
    tenant_id  uuid        NOT NULL,
    stream_id  uuid        NOT NULL,
    position   bigint      NOT NULL,
    version    integer     NOT NULL,
    tag        text        NOT NULL,
    reason     text        NOT NULL,
    parked_at  timestamptz NOT NULL,
    PRIMARY KEY (projection, tenant_id, stream_id)
);

-- Rebuilds under way: how far the shadow tables have come, so that one can be stopped and resumed.
CREATE TABLE projection_rebuilds (
    projection     text        NOT NULL COLLATE "C" PRIMARY KEY,
    version        integer     NOT NULL,
    fixed_position bigint      NOT NULL,
    after_tenant   uuid        NOT NULL,
    after_stream   uuid        NOT NULL,
    caught_up_to   bigint      NOT NULL,
    events_read    bigint      NOT NULL,
    started_at     timestamptz NOT NULL
);
-- The version of the code that filled each projection's tables.
CREATE TABLE projection_versions (
    projection text    NOT NULL COLLATE "C" PRIMARY KEY,
    version    integer NOT NULL
);

ALTER TABLE tenant_log       ENABLE ROW LEVEL SECURITY;
ALTER TABLE events           ENABLE ROW LEVEL SECURITY;
ALTER TABLE snapshots            ENABLE ROW LEVEL SECURITY;
ALTER TABLE unique_names     ENABLE ROW LEVEL SECURITY;
ALTER TABLE number_series    ENABLE ROW LEVEL SECURITY;
ALTER TABLE command_records  ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_keys    ENABLE ROW LEVEL SECURITY;
ALTER TABLE clock_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE parked_streams   ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON tenant_log       TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON events           TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON snapshots            TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON unique_names     TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON number_series    TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON command_records  TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON customer_keys    TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON clock_checkpoints TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON parked_streams   TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);

GRANT SELECT ON tenant_log, events, snapshots, unique_names, number_series, command_records, customer_keys,
    clock_checkpoints, parked_streams TO duebook_api;
GRANT SELECT ON projection_tracking, log_head, projection_versions TO duebook_api;

GRANT SELECT, INSERT ON events, unique_names TO duebook_writer;
GRANT SELECT, UPDATE ON log_head TO duebook_writer;
GRANT SELECT, INSERT, UPDATE ON tenant_log, snapshots, number_series, leases, clock_checkpoints,
    projection_tracking, projection_versions TO duebook_writer;
GRANT SELECT, INSERT, DELETE ON command_records, customer_keys TO duebook_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON parked_streams, projection_rebuilds TO duebook_writer;
