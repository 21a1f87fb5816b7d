-- The tables of bench/peers/service.py.
CREATE DATABASE proctorwise_peer CHARACTER SET ascii;
USE proctorwise_peer;
CREATE TABLE issuers (tenant_id CHAR(36) PRIMARY KEY, public_key BINARY(32) NOT NULL);
CREATE TABLE students (tenant_id CHAR(36), id CHAR(36), PRIMARY KEY (tenant_id, id));
CREATE TABLE slots (
    tenant_id CHAR(36), id CHAR(36), exam_id CHAR(36) NOT NULL, starts_at DATETIME(6) NOT NULL, ends_at DATETIME(6) NOT NULL,
    free_again_at DATETIME(6) NOT NULL, capacity INT NOT NULL, taken_count INT NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, id));
CREATE TABLE reservations (
    id CHAR(36) PRIMARY KEY, tenant_id CHAR(36) NOT NULL, student_id CHAR(36) NOT NULL, slot_id CHAR(36) NOT NULL,
    exam_id CHAR(36) NOT NULL, command_id CHAR(36) NOT NULL, starts_at DATETIME(6) NOT NULL, ends_at DATETIME(6) NOT NULL,
    free_again_at DATETIME(6) NOT NULL, UNIQUE (tenant_id, student_id, command_id));
