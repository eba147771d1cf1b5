# Four CPUs with x2APICs.
#define X2APIC
#include "irq_smp_body.inc.S"
