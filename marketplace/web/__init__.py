"""The pages of the marketplace: server-rendered, readable without JavaScript, every file served from here."""
