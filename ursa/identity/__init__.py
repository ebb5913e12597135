"""Who is who: certificate authorities, workload certificates and the tokens with which proxies introduce themselves."""
