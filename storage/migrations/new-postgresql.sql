-- What the migrations make, up to 0010;

CREATE TABLE playhead_schema (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT playhead_schema_pkc PRIMARY KEY (version_num)
);

CREATE TABLE sessions (
	id BIGSERIAL NOT NULL,
	name TEXT NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_sessions PRIMARY KEY (id),
	CONSTRAINT uq_sessions_name UNIQUE (name)
);

CREATE TABLE connections (
	id BIGSERIAL NOT NULL,
	session TEXT NOT NULL,
	take INTEGER NOT NULL,
	path TEXT NOT NULL,
	upstream TEXT NOT NULL,
	started_at TIMESTAMP WITH TIME ZONE NOT NULL,
	duration_ms DOUBLE PRECISION,
	CONSTRAINT pk_connections PRIMARY KEY (id)
);

CREATE TABLE writers (
	id BIGSERIAL NOT NULL,
	writer TEXT NOT NULL,
	host TEXT NOT NULL,
	segment BIGINT NOT NULL,
	position BIGINT NOT NULL,
	open TEXT NOT NULL,
	state TEXT NOT NULL,
	CONSTRAINT pk_writers PRIMARY KEY (id),
	CONSTRAINT uq_writers_writer UNIQUE (writer)
);

CREATE TABLE event_types (
	id BIGSERIAL NOT NULL,
	type TEXT NOT NULL,
	CONSTRAINT pk_event_types PRIMARY KEY (id),
	CONSTRAINT uq_event_types_type UNIQUE (type)
);

CREATE TABLE event_rows (
	exchange BIGINT NOT NULL,
	seq INTEGER NOT NULL,
	offset_ns BIGINT NOT NULL,
	direction SMALLINT NOT NULL,
	type INTEGER,
	sequence_number BIGINT,
	stream_id TEXT,
	bytes BIGINT NOT NULL,
	flags SMALLINT NOT NULL,
	CONSTRAINT pk_event_rows PRIMARY KEY (exchange, seq)
);

CREATE TABLE deleted (
	writer BIGINT NOT NULL,
	number BIGINT NOT NULL,
	CONSTRAINT pk_deleted PRIMARY KEY (writer, number)
);

CREATE TABLE meta (
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	CONSTRAINT pk_meta PRIMARY KEY (key)
);

CREATE TABLE takes (
	session TEXT NOT NULL,
	take INTEGER NOT NULL,
	run TEXT NOT NULL,
	started_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_takes PRIMARY KEY (session, take),
	CONSTRAINT uq_takes_session_run UNIQUE (session, run),
	CONSTRAINT fk_takes_session FOREIGN KEY(session) REFERENCES sessions (name)
);

CREATE TABLE exchanges (
	id BIGSERIAL NOT NULL,
	session TEXT NOT NULL,
	take INTEGER NOT NULL,
	seq BIGINT NOT NULL,
	connection BIGINT,
	stream_id TEXT,
	transport TEXT NOT NULL,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	status INTEGER,
	outcome TEXT,
	started_at TIMESTAMP WITH TIME ZONE NOT NULL,
	first_event_ms DOUBLE PRECISION,
	duration_ms DOUBLE PRECISION,
	request_bytes BIGINT NOT NULL,
	response_bytes BIGINT NOT NULL,
	events INTEGER NOT NULL,
	parse TEXT NOT NULL,
	redacted TEXT,
	kind TEXT NOT NULL,
	model TEXT,
	response_id TEXT,
	previous_response_id TEXT,
	response_status TEXT,
	service_tier TEXT,
	error_code TEXT,
	request_id TEXT,
	attempt INTEGER,
	key_id TEXT,
	organization TEXT,
	project TEXT,
	"user" TEXT,
	upstream TEXT NOT NULL,
	usage JSON,
	cost BIGINT,
	cost_note TEXT,
	problem TEXT,
	writer BIGINT NOT NULL,
	number BIGINT NOT NULL,
	CONSTRAINT pk_exchanges PRIMARY KEY (id),
	CONSTRAINT uq_exchanges_writer_number UNIQUE (writer, number),
	CONSTRAINT fk_exchanges_session FOREIGN KEY(session) REFERENCES sessions (name)
);

CREATE INDEX ix_exchanges_session_seq ON exchanges (session, seq);

CREATE TABLE bodies (
	exchange BIGINT NOT NULL,
	base BIGINT,
	depth INTEGER NOT NULL,
	codec TEXT NOT NULL,
	digest TEXT NOT NULL,
	raw_bytes BIGINT NOT NULL,
	data BYTEA NOT NULL,
	CONSTRAINT pk_bodies PRIMARY KEY (exchange),
	CONSTRAINT fk_bodies_exchange FOREIGN KEY(exchange) REFERENCES exchanges (id),
	CONSTRAINT fk_bodies_base FOREIGN KEY(base) REFERENCES bodies (exchange)
);

CREATE INDEX ix_bodies_base ON bodies (base);

CREATE TABLE pieces (
	exchange BIGINT NOT NULL,
	part TEXT NOT NULL,
	seq INTEGER NOT NULL,
	codec TEXT NOT NULL,
	digest TEXT NOT NULL,
	raw_bytes BIGINT NOT NULL,
	data BYTEA NOT NULL,
	CONSTRAINT pk_pieces PRIMARY KEY (exchange, part, seq),
	CONSTRAINT fk_pieces_exchange FOREIGN KEY(exchange) REFERENCES exchanges (id)
);

CREATE VIEW events AS
SELECT r.exchange, r.seq, CAST(r.offset_ns AS DOUBLE PRECISION) / 1000000 AS offset_ms,
       CASE r.direction WHEN 0 THEN 'client' ELSE 'upstream' END AS direction,
       t.type, r.sequence_number, r.stream_id, r.bytes
FROM event_rows AS r LEFT JOIN event_types AS t ON t.id = r.type;

ALTER TABLE bodies ALTER COLUMN data SET STORAGE EXTERNAL;

ALTER TABLE pieces ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE fingerprints (
	exchange BIGINT NOT NULL,
	rules TEXT NOT NULL,
	digest BYTEA NOT NULL,
	asks TEXT NOT NULL,
	base BIGINT,
	items BYTEA NOT NULL,
	CONSTRAINT pk_fingerprints PRIMARY KEY (exchange, rules)
);

CREATE TABLE divergences (
	id BIGSERIAL NOT NULL,
	session TEXT NOT NULL,
	take INTEGER,
	run TEXT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	code TEXT NOT NULL,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	model TEXT,
	asks TEXT NOT NULL,
	nearest BIGINT,
	differences JSON NOT NULL,
	message TEXT NOT NULL,
	head_bytes INTEGER NOT NULL,
	request_bytes BIGINT NOT NULL,
	data BYTEA NOT NULL,
	CONSTRAINT pk_divergences PRIMARY KEY (id)
);

CREATE INDEX ix_divergences_session_id ON divergences (session, id);

ALTER TABLE divergences ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE item_words (
	id BIGSERIAL NOT NULL,
	word TEXT NOT NULL,
	CONSTRAINT pk_item_words PRIMARY KEY (id),
	CONSTRAINT uq_item_words_word UNIQUE (word)
);

CREATE TABLE item_rows (
	exchange BIGINT NOT NULL,
	part SMALLINT NOT NULL,
	position INTEGER NOT NULL,
	type INTEGER,
	id TEXT,
	call_id TEXT,
	name INTEGER,
	status INTEGER,
	CONSTRAINT pk_item_rows PRIMARY KEY (exchange, part, position)
);

CREATE VIEW items AS
SELECT r.exchange, CASE r.part WHEN 0 THEN 'input' ELSE 'output' END AS part, r.position,
       t.word AS type, r.id, r.call_id, n.word AS name, s.word AS status
FROM item_rows AS r
LEFT JOIN item_words AS t ON t.id = r.type
LEFT JOIN item_words AS n ON n.id = r.name
LEFT JOIN item_words AS s ON s.id = r.status;

ALTER TABLE exchanges ADD COLUMN problems JSON;

ALTER TABLE exchanges ADD COLUMN parser INTEGER;

ALTER TABLE exchanges ADD COLUMN conversation TEXT;

ALTER TABLE exchanges ADD COLUMN steer TEXT;

ALTER TABLE connections ADD COLUMN writer BIGINT;

ALTER TABLE connections ADD COLUMN number BIGINT;

ALTER TABLE connections ADD COLUMN status INTEGER;

ALTER TABLE connections ADD COLUMN outcome TEXT;

ALTER TABLE connections ADD COLUMN subprotocol TEXT;

ALTER TABLE connections ADD COLUMN extensions TEXT;

ALTER TABLE connections ADD COLUMN lanes JSON;

ALTER TABLE connections ADD COLUMN turns INTEGER;

ALTER TABLE connections ADD COLUMN client_messages BIGINT;

ALTER TABLE connections ADD COLUMN upstream_messages BIGINT;

ALTER TABLE connections ADD COLUMN client_bytes BIGINT;

ALTER TABLE connections ADD COLUMN upstream_bytes BIGINT;

ALTER TABLE connections ADD COLUMN client_pings BIGINT;

ALTER TABLE connections ADD COLUMN upstream_pings BIGINT;

ALTER TABLE connections ADD COLUMN client_close INTEGER;

ALTER TABLE connections ADD COLUMN client_reason TEXT;

ALTER TABLE connections ADD COLUMN upstream_close INTEGER;

ALTER TABLE connections ADD COLUMN upstream_reason TEXT;

ALTER TABLE connections ADD COLUMN unassigned BIGINT;

ALTER TABLE connections ADD COLUMN problem TEXT;

ALTER TABLE connections ADD COLUMN key_id TEXT;

ALTER TABLE connections ADD COLUMN digest BYTEA;

CREATE UNIQUE INDEX ix_connections_writer_number ON connections (writer, number);

CREATE INDEX ix_exchanges_response_id ON exchanges (response_id) WHERE response_id IS NOT NULL;

CREATE INDEX ix_exchanges_conversation ON exchanges (conversation) WHERE conversation IS NOT NULL;

CREATE TABLE connection_pieces (
	connection BIGINT NOT NULL,
	part TEXT NOT NULL,
	seq INTEGER NOT NULL,
	codec TEXT NOT NULL,
	digest TEXT NOT NULL,
	raw_bytes BIGINT NOT NULL,
	data BYTEA NOT NULL,
	CONSTRAINT pk_connection_pieces PRIMARY KEY (connection, part, seq),
	CONSTRAINT fk_connection_pieces_connection FOREIGN KEY(connection) REFERENCES connections (id)
);

ALTER TABLE connection_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE match_rules (
	session TEXT NOT NULL,
	version INTEGER NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	rules JSON NOT NULL,
	CONSTRAINT pk_match_rules PRIMARY KEY (session, version)
);

CREATE TABLE equivalences (
	id BIGSERIAL NOT NULL,
	session TEXT NOT NULL,
	exchange BIGINT NOT NULL,
	digest BYTEA NOT NULL,
	asks TEXT NOT NULL,
	divergence BIGINT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_equivalences PRIMARY KEY (id)
);

CREATE INDEX ix_equivalences_session ON equivalences (session);

CREATE TABLE rerecordings (
	exchange BIGINT NOT NULL,
	session TEXT NOT NULL,
	after BIGINT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_rerecordings PRIMARY KEY (exchange)
);

CREATE INDEX ix_rerecordings_session ON rerecordings (session);

CREATE TABLE rule_hits (
	session TEXT NOT NULL,
	run TEXT NOT NULL,
	exchange BIGINT NOT NULL,
	rules TEXT NOT NULL,
	take INTEGER,
	count BIGINT NOT NULL,
	first_at TIMESTAMP WITH TIME ZONE NOT NULL,
	last_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_rule_hits PRIMARY KEY (session, run, exchange, rules)
);

CREATE TABLE served_faults (
	id BIGSERIAL NOT NULL,
	session TEXT NOT NULL,
	run TEXT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	exchange BIGINT,
	fault TEXT NOT NULL,
	place TEXT NOT NULL,
	outcome JSON,
	CONSTRAINT pk_served_faults PRIMARY KEY (id)
);

CREATE INDEX ix_served_faults_session_id ON served_faults (session, id);

ALTER TABLE sessions ADD COLUMN forked_from TEXT;

ALTER TABLE sessions ADD COLUMN forked_at BIGINT;

ALTER TABLE divergences ADD COLUMN cause TEXT;

ALTER TABLE divergences ADD COLUMN proposal JSON;

ALTER TABLE divergences ADD COLUMN parted BIGINT;

ALTER TABLE divergences ADD COLUMN expected BIGINT;

ALTER TABLE divergences ADD COLUMN served BOOLEAN;

ALTER TABLE divergences ADD COLUMN digest BYTEA;

CREATE TABLE pricings (
	id BIGSERIAL NOT NULL,
	digest BYTEA NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	made_by TEXT NOT NULL,
	as_of TIMESTAMP WITH TIME ZONE,
	tables JSON NOT NULL,
	assumed TEXT NOT NULL,
	CONSTRAINT pk_pricings PRIMARY KEY (id),
	CONSTRAINT uq_pricings_digest UNIQUE (digest)
);

CREATE TABLE price_bases (
	id BIGSERIAL NOT NULL,
	digest BYTEA NOT NULL,
	dimensions JSON NOT NULL,
	reason TEXT,
	CONSTRAINT pk_price_bases PRIMARY KEY (id),
	CONSTRAINT uq_price_bases_digest UNIQUE (digest)
);

CREATE TABLE price_rates (
	id BIGSERIAL NOT NULL,
	digest BYTEA NOT NULL,
	item TEXT NOT NULL,
	model TEXT,
	counts TEXT NOT NULL,
	price TEXT,
	per BIGINT NOT NULL,
	tables TEXT,
	dimensions JSON,
	reason TEXT,
	CONSTRAINT pk_price_rates PRIMARY KEY (id),
	CONSTRAINT uq_price_rates_digest UNIQUE (digest)
);

CREATE TABLE costs (
	exchange BIGINT NOT NULL,
	version INTEGER NOT NULL,
	pricing INTEGER NOT NULL,
	basis INTEGER NOT NULL,
	state TEXT NOT NULL,
	amount BIGINT,
	told BOOLEAN,
	counted_in BIGINT,
	input_tokens BIGINT,
	cached_tokens BIGINT,
	written_tokens BIGINT,
	output_tokens BIGINT,
	reasoning_tokens BIGINT,
	input_amount BIGINT,
	cached_amount BIGINT,
	written_amount BIGINT,
	output_amount BIGINT,
	tools_amount BIGINT,
	CONSTRAINT pk_costs PRIMARY KEY (exchange)
);

CREATE TABLE cost_history (
	exchange BIGINT NOT NULL,
	version INTEGER NOT NULL,
	pricing INTEGER NOT NULL,
	basis INTEGER NOT NULL,
	state TEXT NOT NULL,
	amount BIGINT,
	told BOOLEAN,
	counted_in BIGINT,
	input_tokens BIGINT,
	cached_tokens BIGINT,
	written_tokens BIGINT,
	output_tokens BIGINT,
	reasoning_tokens BIGINT,
	input_amount BIGINT,
	cached_amount BIGINT,
	written_amount BIGINT,
	output_amount BIGINT,
	tools_amount BIGINT,
	note TEXT,
	until TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_cost_history PRIMARY KEY (exchange, version)
);

CREATE TABLE cost_line_rows (
	exchange BIGINT NOT NULL,
	version INTEGER NOT NULL,
	line INTEGER NOT NULL,
	rate INTEGER NOT NULL,
	quantity BIGINT NOT NULL,
	amount BIGINT,
	CONSTRAINT pk_cost_line_rows PRIMARY KEY (exchange, version, line)
);

CREATE TABLE paid_responses (
	response_id TEXT NOT NULL,
	exchange BIGINT NOT NULL,
	CONSTRAINT pk_paid_responses PRIMARY KEY (response_id)
);

CREATE INDEX ix_paid_responses_exchange ON paid_responses (exchange);

ALTER TABLE exchanges ADD COLUMN billing JSON;

CREATE VIEW cost_lines AS SELECT l.exchange, l.line, r.item, r.model, l.quantity, r.counts, r.price, r.per, l.amount, r.tables, r.reason FROM cost_line_rows l JOIN costs c ON c.exchange = l.exchange AND c.version = l.version JOIN price_rates r ON r.id = l.rate;

CREATE TABLE chains (
	id BIGSERIAL NOT NULL,
	name TEXT NOT NULL,
	started_at TIMESTAMP WITH TIME ZONE NOT NULL,
	length BIGINT NOT NULL,
	head BYTEA NOT NULL,
	CONSTRAINT pk_chains PRIMARY KEY (id),
	CONSTRAINT uq_chains_name UNIQUE (name)
);

CREATE TABLE chain_entry_rows (
	id BIGINT NOT NULL,
	chain INTEGER NOT NULL,
	seq BIGINT NOT NULL,
	kind SMALLINT NOT NULL,
	at BIGINT NOT NULL,
	salt BYTEA,
	digest BYTEA,
	rows TEXT,
	CONSTRAINT pk_chain_entry_rows PRIMARY KEY (id)
);

CREATE VIEW chain_entries AS SELECT chain, seq, at, CASE kind WHEN 0 THEN 'begun' WHEN 1 THEN 'recorded' WHEN 2 THEN 'adopted' WHEN 3 THEN 'imported' WHEN 4 THEN 'forked' WHEN 5 THEN 'reparsed' WHEN 6 THEN 'repriced' WHEN 7 THEN 'redacted' WHEN 8 THEN 'rewritten' WHEN 9 THEN 'decided' WHEN 10 THEN 'pruned' WHEN 11 THEN 'deleted' WHEN 12 THEN 'doubted' END AS kind, CASE WHEN id > 0 THEN 'exchange' ELSE CASE (-(id >> 20) & 3) WHEN 0 THEN 'shared' WHEN 1 THEN 'exchange' WHEN 2 THEN 'connection' WHEN 3 THEN 'session' END END AS subject, CASE WHEN id > 0 THEN id >> 20 ELSE -(id >> 20) >> 2 END AS subject_id, id & 1048575 AS number, digest FROM chain_entry_rows;

ALTER TABLE exchanges ADD COLUMN pruned TEXT;

ALTER TABLE connections ADD COLUMN pruned TEXT;

CREATE INDEX ix_fingerprints_base ON fingerprints (base) WHERE base IS NOT NULL;

CREATE INDEX ix_costs_counted_in ON costs (counted_in) WHERE counted_in IS NOT NULL;

CREATE TABLE kept_sums (
	part BIGINT NOT NULL,
	grouping TEXT NOT NULL,
	made_by TEXT NOT NULL,
	claim BYTEA NOT NULL,
	data BYTEA,
	CONSTRAINT pk_kept_sums PRIMARY KEY (part, grouping)
);

ALTER TABLE sessions RENAME COLUMN name TO session;

