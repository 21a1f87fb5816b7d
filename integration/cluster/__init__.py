"""Local clusters of real servers: Kafka and MariaDB Galera, started, hurt and ended by tests and scripts."""
