-- What a tenant defines: few streams among millions, listed by their kind.
CREATE INDEX snapshots_definition ON snapshots (tenant_id, stream, stream_id)
    WHERE stream IN ('sender', 'template', 'dunning_plan');
DROP INDEX snapshots_sender;
DROP INDEX snapshots_template;
