package javax.annotation;

/** The annotation that generated code carries. JDK 11 removed it, and it is in no package of the registries in use. */
public @interface Generated {
    String value();

    String comments() default "";
}
