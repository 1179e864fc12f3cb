-- The read models: rows folded from one stream each, and sums to which each stream adds its part.
-- Everything here can be rebuilt from the log. A rebuild fills tables of the same shape aside and swaps the names.
-- Sums are numeric, so that no number of invoices can overflow one and hold up the others.

-- One row per invoice. Open by component is charged less paid less forgiven. What changes night by night is in no index.
CREATE TABLE invoices (
    tenant_id                uuid    NOT NULL,
    invoice_id               uuid    NOT NULL,
    version                  integer NOT NULL,
    tenant_seq               bigint  NOT NULL,
    customer_id              uuid    NOT NULL,
    total_minor              bigint  NOT NULL,
    open_minor               bigint  NOT NULL,
    charged_principal_minor  bigint  NOT NULL,
    charged_late_fee_minor   bigint  NOT NULL,
    charged_mora_minor       bigint  NOT NULL,
    charged_other_minor      bigint  NOT NULL,
    paid_principal_minor     bigint  NOT NULL,
    paid_late_fee_minor      bigint  NOT NULL,
    paid_mora_minor          bigint  NOT NULL,
    paid_other_minor         bigint  NOT NULL,
    forgiven_principal_minor bigint  NOT NULL,
    forgiven_late_fee_minor  bigint  NOT NULL,
    forgiven_mora_minor      bigint  NOT NULL,
    forgiven_other_minor     bigint  NOT NULL,
    policy_version           integer NOT NULL,
    due_on                   date    NOT NULL,
    issued_on                date,
    payable_until            date,
    late_on                  date,
    mora_through             date,
    paid_on                  date,
    was_overdue              boolean NOT NULL,
    status                   text    NOT NULL COLLATE "C",
    currency                 text    NOT NULL COLLATE "C",
    number                   text    NOT NULL COLLATE "C",
    PRIMARY KEY (tenant_id, invoice_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1);
CREATE INDEX invoices_due ON invoices (tenant_id, due_on, invoice_id);
CREATE INDEX invoices_status ON invoices (tenant_id, status, due_on, invoice_id);
CREATE INDEX invoices_customer ON invoices (tenant_id, customer_id, due_on, invoice_id);
CREATE INDEX invoices_number ON invoices (tenant_id, number) WHERE number <> '';

-- What is open, all components, by the due date as written.
CREATE TABLE aging_totals (
    tenant_id     uuid    NOT NULL,
    currency      text    NOT NULL COLLATE "C",
    due_on        date    NOT NULL,
    invoice_count numeric NOT NULL,
    open_minor    numeric NOT NULL,
    PRIMARY KEY (tenant_id, currency, due_on)
) WITH (fillfactor = 50);

CREATE TABLE customer_balances (
    tenant_id     uuid    NOT NULL,
    customer_id   uuid    NOT NULL,
    currency      text    NOT NULL COLLATE "C",
    invoice_count numeric NOT NULL,
    open_minor    numeric NOT NULL,
    overdue_minor numeric NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, currency)
) WITH (fillfactor = 50);

CREATE TABLE dashboard_totals (
    tenant_id     uuid    NOT NULL,
    currency      text    NOT NULL COLLATE "C",
    status        text    NOT NULL COLLATE "C",
    invoice_count numeric NOT NULL,
    total_minor   numeric NOT NULL,
    open_minor    numeric NOT NULL,
    PRIMARY KEY (tenant_id, currency, status)
) WITH (fillfactor = 10);

-- Personal texts are encrypted here as they are in the events. Credit is JSON: minor units by currency.
CREATE TABLE customers (
    tenant_id     uuid    NOT NULL,
    customer_id   uuid    NOT NULL,
    version       integer NOT NULL,
    tenant_seq    bigint  NOT NULL,
    registered_on date    NOT NULL,
    has_credit    boolean NOT NULL,
    reference     text    NOT NULL COLLATE "C",
    name          text    NOT NULL,
    tax_number    text    NOT NULL,
    email         text    NOT NULL,
    phone         text    NOT NULL,
    address       text    NOT NULL,
    notes         text    NOT NULL,
    language      text    NOT NULL COLLATE "C",
    timezone      text    NOT NULL COLLATE "C",
    country       text    NOT NULL COLLATE "C",
    credit_flag   text    NOT NULL COLLATE "C",
    credit        text    NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
) WITH (fillfactor = 80);
CREATE INDEX customers_reference ON customers (tenant_id, reference, customer_id);
CREATE INDEX customers_credit ON customers (tenant_id, reference, customer_id) WHERE has_credit;

-- Money that no invoice has taken.
CREATE TABLE credit_totals (
    tenant_id      uuid    NOT NULL,
    currency       text    NOT NULL COLLATE "C",
    customer_count numeric NOT NULL,
    credit_minor   numeric NOT NULL,
    PRIMARY KEY (tenant_id, currency)
) WITH (fillfactor = 10);

-- Allocations are JSON: [{"invoice_id": ..., "amount_minor": ...}]. The reference is encrypted.
CREATE TABLE payments (
    tenant_id       uuid    NOT NULL,
    payment_id      uuid    NOT NULL,
    version         integer NOT NULL,
    tenant_seq      bigint  NOT NULL,
    customer_id     uuid    NOT NULL,
    amount_minor    bigint  NOT NULL,
    unapplied_minor bigint  NOT NULL,
    received_on     date    NOT NULL,
    status          text    NOT NULL COLLATE "C",
    currency        text    NOT NULL COLLATE "C",
    reference       text    NOT NULL,
    allocations     text    NOT NULL,
    PRIMARY KEY (tenant_id, payment_id)
) WITH (fillfactor = 90);
CREATE INDEX payments_received ON payments (tenant_id, received_on, payment_id);
CREATE INDEX payments_customer ON payments (tenant_id, customer_id, received_on, payment_id);

-- Payments that stand, by the month of their value date (its first day).
CREATE TABLE payment_totals (
    tenant_id     uuid    NOT NULL,
    currency      text    NOT NULL COLLATE "C",
    month         date    NOT NULL,
    payment_count numeric NOT NULL,
    amount_minor  numeric NOT NULL,
    PRIMARY KEY (tenant_id, currency, month)
) WITH (fillfactor = 50);

-- Steps are JSON: the tally of each step that is complete.
CREATE TABLE business_days (
    tenant_id  uuid    NOT NULL,
    day_id     uuid    NOT NULL,
    version    integer NOT NULL,
    tenant_seq bigint  NOT NULL,
    day        date    NOT NULL,
    status     text    NOT NULL COLLATE "C",
    steps      text    NOT NULL,
    PRIMARY KEY (tenant_id, day_id)
) WITH (fillfactor = 70);
CREATE INDEX business_days_day ON business_days (tenant_id, day, day_id);

ALTER TABLE invoices          ENABLE ROW LEVEL SECURITY;
ALTER TABLE aging_totals      ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_balances ENABLE ROW LEVEL SECURITY;
ALTER TABLE dashboard_totals  ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers         ENABLE ROW LEVEL SECURITY;
ALTER TABLE credit_totals     ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments          ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_totals    ENABLE ROW LEVEL SECURITY;
ALTER TABLE business_days     ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON invoices          TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON aging_totals      TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON customer_balances TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON dashboard_totals  TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON customers         TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON credit_totals     TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON payments          TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON payment_totals    TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON business_days     TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);

GRANT SELECT ON invoices, aging_totals, customer_balances, dashboard_totals, customers, credit_totals,
    payments, payment_totals, business_days TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON invoices, aging_totals, customer_balances, dashboard_totals, customers,
    credit_totals, payments, payment_totals, business_days TO duebook_writer;
