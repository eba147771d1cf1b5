# The local APIC in x2APIC mode.
#define X2APIC
#include "irq_apic_body.inc.S"
