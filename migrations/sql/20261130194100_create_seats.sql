-- Seats of subscriptions that users occupy, of widgets that give seats to users. A row is a seat that is taken.

CREATE TABLE subscription_seats (
    subscription_id CHAR(30)        NOT NULL,
    -- 1 to the number of seats: with the primary key, no more seats than these can be taken.
    seat_no         INT UNSIGNED    NOT NULL,
    -- User of amoCRM.
    user_id         BIGINT UNSIGNED NOT NULL,
    taken_at        DATETIME(6)     NOT NULL,
    -- Last handshake of the user, at most an hour old.
    seen_at         DATETIME(6)     NOT NULL,
    PRIMARY KEY (subscription_id, seat_no),
    UNIQUE KEY subscription_seats_user (subscription_id, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
