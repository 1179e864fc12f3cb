-- The read model of agreements. What their instalments come to is summed from `invoices`, for the page that is shown.

CREATE TABLE agreements (
    tenant_id       uuid    NOT NULL,
    agreement_id    uuid    NOT NULL,
    version         integer NOT NULL,
    tenant_seq      bigint  NOT NULL,
    customer_id     uuid    NOT NULL,
    principal_minor bigint  NOT NULL,
    original_minor  bigint  NOT NULL,
    count           integer NOT NULL,
    requested_on    date    NOT NULL,
    activated_on    date,
    renegotiates    uuid,
    successor_id    uuid,
    kind            text    NOT NULL COLLATE "C",
    status          text    NOT NULL COLLATE "C",
    currency        text    NOT NULL COLLATE "C",
    schedule        text    NOT NULL COLLATE "C",
    PRIMARY KEY (tenant_id, agreement_id)
) WITH (fillfactor = 80);
CREATE INDEX agreements_requested ON agreements (tenant_id, requested_on, agreement_id);
CREATE INDEX agreements_status    ON agreements (tenant_id, status, requested_on, agreement_id);
CREATE INDEX agreements_customer  ON agreements (tenant_id, customer_id, requested_on, agreement_id);

ALTER TABLE agreements ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON agreements TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON agreements TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON agreements TO duebook_writer;
