"""Who may do what where a configuration says so: tokens, an auth file, a DatasetGateway, public versions, blocks."""
