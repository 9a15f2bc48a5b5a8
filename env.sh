export TOKEN= API=http://localhost:18000/api/v1 SIM=http://localhost:14381
