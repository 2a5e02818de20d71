-- Whether the grant an install works with has an administrator's rights; NULL: nobody knows.
ALTER TABLE installs
    ADD COLUMN granted_by_admin BOOLEAN NULL;
