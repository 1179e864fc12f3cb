-- The journal: what it remembers of each stream, and what was posted to each account by day.

-- One row per stream whose events post entries: what later entries need to know.
CREATE TABLE journal_streams (
    tenant_id     uuid    NOT NULL,
    stream_id     uuid    NOT NULL,
    version       integer NOT NULL,
    tenant_seq    bigint  NOT NULL,
    net_minor     bigint  NOT NULL,
    tax_minor     bigint  NOT NULL,
    amount_minor  bigint  NOT NULL,
    is_sent       boolean NOT NULL,
    is_instalment boolean NOT NULL,
    currency      text    NOT NULL COLLATE "C",
    forgiveness_kind   text    NOT NULL COLLATE "C",
    PRIMARY KEY (tenant_id, stream_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1);

-- Debits and credits by account and the day they are posted on. Accounts are keys of the chart, not names.
CREATE TABLE journal_totals (
    tenant_id    uuid    NOT NULL,
    currency     text    NOT NULL COLLATE "C",
    account      text    NOT NULL COLLATE "C",
    posted_on    date    NOT NULL,
    debit_minor  numeric NOT NULL,
    credit_minor numeric NOT NULL,
    PRIMARY KEY (tenant_id, currency, account, posted_on)
) WITH (fillfactor = 50);

ALTER TABLE journal_streams ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_totals  ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON journal_streams TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON journal_totals  TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);

GRANT SELECT ON journal_streams, journal_totals TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON journal_streams, journal_totals TO duebook_writer;
