"""What test_openapi holds the API's document to: tools that were written by others."""
