"""The tables of `chats.sqlite`, and how those of an older version become today's."""

from __future__ import annotations

_CONVERSATIONS = """
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    system_prompt TEXT NOT NULL,
    model_id TEXT NOT NULL,
    head INTEGER,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    deleted REAL
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent INTEGER REFERENCES messages (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    created REAL NOT NULL,
    model_id TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    ending TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    ttft REAL,
    decode_tps REAL
);
CREATE INDEX conversations_by_age ON conversations (updated);
CREATE INDEX messages_of_conversation ON messages (conversation_id);
CREATE INDEX messages_of_parent ON messages (parent);
CREATE VIRTUAL TABLE message_index USING fts5 (
    content, content = 'messages', content_rowid = 'id', tokenize = 'trigram'
);
CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_index (rowid, content) VALUES (new.id, new.content);
END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
    INSERT INTO message_index (message_index, rowid, content) VALUES ('delete', old.id, old.content);
END;
"""

# The bytes of an image come last in its row: what is asked more often is read without them.
_IMAGES_AND_SAMPLING = """
ALTER TABLE conversations ADD COLUMN sampling TEXT NOT NULL DEFAULT '';
CREATE TABLE images (
    digest TEXT PRIMARY KEY,
    format TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    thumbnail BLOB NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE message_images (
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES images (digest),
    PRIMARY KEY (message_id, place)
) WITHOUT ROWID;
CREATE INDEX messages_of_image ON message_images (digest);
CREATE TRIGGER image_unused AFTER DELETE ON message_images BEGIN
    DELETE FROM images WHERE digest = old.digest
        AND NOT EXISTS (SELECT 1 FROM message_images WHERE digest = old.digest);
END;
"""

# What is looked for is kept beside the text: a function in the index would have to answer alike for ever.
_FOLDED_SEARCH = """
DROP TRIGGER message_added;
DROP TRIGGER message_removed;
DROP TABLE message_index;
ALTER TABLE messages ADD COLUMN folded TEXT NOT NULL DEFAULT '';
UPDATE messages SET folded = folded(content);
CREATE VIRTUAL TABLE message_index USING fts5 (
    folded, content = 'messages', content_rowid = 'id', tokenize = 'trigram case_sensitive 1'
);
INSERT INTO message_index (message_index) VALUES ('rebuild');
CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_index (rowid, folded) VALUES (new.id, new.folded);
END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
    INSERT INTO message_index (message_index, rowid, folded) VALUES ('delete', old.id, old.folded);
END;
"""

STEPS = (_CONVERSATIONS, _IMAGES_AND_SAMPLING, _FOLDED_SEARCH)
"""What makes each version of the one before; the first one begins with an empty file."""

VERSION = len(STEPS)
