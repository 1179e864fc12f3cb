-- Templates of messages are few and are read by their tenant.

CREATE INDEX snapshots_template ON snapshots (tenant_id, stream_id) WHERE stream = 'template';
