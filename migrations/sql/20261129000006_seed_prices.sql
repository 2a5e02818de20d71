-- FlySense's default prices: 2.5 Flycoins per minute of recognition, billed by the second, at least 15 s; 1 Flycoin per
-- summary. Rates are in micro-Flycoins. A deployment with an own version 1 keeps it.
INSERT IGNORE INTO price_rules (service, version, tariff, valid_from, created_at) VALUES
    ('flysense.recognition', 1, '{"kind": "per_minute", "rate": 2500000, "at_least_s": 15}',
     '2026-01-01 00:00:00', '2026-11-25 00:00:00'),
    ('flysense.summary', 1, '{"kind": "per_piece", "rate": 1000000}',
     '2026-01-01 00:00:00', '2026-11-25 00:00:00');
